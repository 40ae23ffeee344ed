{
  'variables': {
    'sanitize%': '',
    # The second addon needs headers that some distributions leave out; the first never does.
    'has_codec_headers%': '<!(node native/codec-headers.cjs "<(node_root_dir)")',
  },
  'targets': [
    {
      'target_name': 'sluice',
      'includes': ['native/flags.gypi'],
      'sources': ['<!@(node native/sources.cjs sluice)'],
    },
  ],
  'conditions': [
    ['has_codec_headers == 1', {
      'targets': [
        {
          'target_name': 'sluice_codec',
          'includes': ['native/flags.gypi'],
          'sources': ['<!@(node native/sources.cjs sluice_codec)'],
        },
      ],
    }],
  ],
}
