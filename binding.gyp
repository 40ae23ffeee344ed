{
  'targets': [
    {
      'target_name': 'sluice',
      'sources': [
        'native/core/event_loop.cc',
        'native/core/event_loop_close.cc',
        'native/core/event_loop_flush.cc',
        'native/core/listener.cc',
        'native/core/poller.cc',
        'native/core/sha256.cc',
        'native/core/slot_table.cc',
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
        'native/binding/loop_wrap_js.cc',
      ],
      'defines': ['NAPI_VERSION=8'],
      'cflags': ['-O3', '-Wall', '-Wextra', '-Werror', '-fvisibility=hidden'],
      'cflags_cc': ['-std=gnu++20', '-fno-exceptions', '-fno-rtti'],
      'variables': { 'sanitize%': '' },
      'conditions': [
        ['sanitize != ""', {
          'cflags': ['-fsanitize=<(sanitize)', '-fno-omit-frame-pointer', '-g', '-O1'],
          'ldflags': ['-fsanitize=<(sanitize)'],
        }],
      ],
    },
  ],
}
