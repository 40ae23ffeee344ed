# What both addons are compiled with. Included by each target, since what stands in target_defaults comes
# before Node's own flags and loses against them.
{
  'defines': ['NAPI_VERSION=8'],
  'cflags': ['-O3', '-Wall', '-Wextra', '-Werror', '-fvisibility=hidden'],
  'cflags_cc': ['-std=gnu++20', '-fno-exceptions', '-fno-rtti'],
  'conditions': [
    ['sanitize != ""', {
      'cflags': ['-fsanitize=<(sanitize)', '-fno-omit-frame-pointer', '-g', '-O1'],
      'ldflags': ['-fsanitize=<(sanitize)'],
    }],
  ],
}
