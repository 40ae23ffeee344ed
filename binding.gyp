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
      'sources': [
        'native/core/address_blocks.cc',
        'native/core/event_loop.cc',
        'native/core/event_loop_accept.cc',
        'native/core/event_loop_adopt.cc',
        'native/core/event_loop_close.cc',
        'native/core/event_loop_flush.cc',
        'native/core/event_loop_proxy.cc',
        'native/core/frame_scan.cc',
        'native/core/listen_ops.cc',
        'native/core/listener.cc',
        'native/core/poller.cc',
        'native/core/proxy_protocol.cc',
        'native/core/sha256.cc',
        'native/core/slot_table.cc',
        'native/core/socket_info.cc',
        'native/core/socket_ops.cc',
        'native/core/system_call.cc',
        'native/core/timer_wheel.cc',
        'native/core/unmask.cc',
        'native/core/write_queue.cc',
        'native/binding/addon.cc',
        'native/binding/arguments.cc',
        'native/binding/bytes_js.cc',
        'native/binding/js_call.cc',
        'native/binding/loop_wrap.cc',
        'native/binding/loop_wrap_adopt.cc',
        'native/binding/loop_wrap_js.cc',
        'native/binding/loop_wrap_listen.cc',
        'native/binding/symbols_js.cc',
      ],
    },
  ],
  'conditions': [
    ['has_codec_headers == 1', {
      'targets': [
        {
          'target_name': 'sluice_codec',
          'includes': ['native/flags.gypi'],
          'sources': [
            'native/binding/arguments.cc',
            'native/binding/codec_addon.cc',
          ],
        },
      ],
    }],
  ],
}
