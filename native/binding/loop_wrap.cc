// See loop_wrap.h. This file: the tick and the libuv handles; loop_wrap_js.cc: the class that
// JavaScript sees.
#include "loop_wrap.h"

namespace sluice {

int LoopWrap::Start() {
  uv_loop_t* uv = nullptr;
  if (napi_get_uv_event_loop(env_, &uv) != napi_ok) return -EINVAL;
  const int error = loop_.Open();
  if (error != 0) return error;
  const int poll_error = uv_poll_init(uv, &poll_, loop_.fd());
  if (poll_error != 0) return poll_error;
  StartHandles(uv);
  // A plain cleanup hook that calls uv_close crashes worker threads.
  (void)napi_add_async_cleanup_hook(env_, OnCleanup, this, &cleanup_hook_);
  return 0;
}

void LoopWrap::StartHandles(uv_loop_t* uv) {
  (void)uv_prepare_init(uv, &prepare_);
  (void)uv_timer_init(uv, &timer_);
  (void)uv_idle_init(uv, &idle_);
  handles_open_ = kHandles;
  poll_.data = prepare_.data = timer_.data = idle_.data = this;
  (void)uv_poll_start(&poll_, UV_READABLE, OnReadable);
  (void)uv_prepare_start(&prepare_, OnPrepare);
  uv_unref(reinterpret_cast<uv_handle_t*>(&prepare_));
  uv_unref(reinterpret_cast<uv_handle_t*>(&timer_));
  uv_unref(reinterpret_cast<uv_handle_t*>(&idle_));
  ArmHandles();
}

void LoopWrap::OnReadable(uv_poll_t* handle, int, int) {
  static_cast<LoopWrap*>(handle->data)->Tick();
}

void LoopWrap::OnTimer(uv_timer_t* handle) {
  auto* wrap = static_cast<LoopWrap*>(handle->data);
  wrap->timer_at_ms_ = TimerWheel::kNever;
  wrap->Tick();
}

void LoopWrap::OnIdle(uv_idle_t*) {
  // Being active is its whole work: it keeps libuv from sleeping, and OnPrepare does the rest.
}

void LoopWrap::OnPrepare(uv_prepare_t* handle) {
  auto* wrap = static_cast<LoopWrap*>(handle->data);
  if (wrap->in_batch_ || wrap->dead_) return;
  if (wrap->loop_.HasMore()) {
    wrap->Tick();
  } else if (wrap->loop_.HasSendRecords() || wrap->Wants() != 0) {
    wrap->in_batch_ = true;
    wrap->FinishTick();
    wrap->in_batch_ = false;
  }
}

void LoopWrap::Tick() {
  // A package that runs the loop from inside a handler must not find us in the middle of a batch.
  if (in_batch_ || dead_ || closing_) return;
  in_batch_ = true;
  Flush();
  loop_.Wait();
  int deferred_batches = 0;
  while (!dead_ && loop_.HasMore()) {
    // A handler that writes at every drain must not keep the others waiting: the idle handle brings
    // us back.
    if (!loop_.HasReady() && ++deferred_batches > kDeferredBatchesMax) break;
    if (loop_.Collect() == 0) continue;
    const bool delivered = Cross(kCallDeliver);
    loop_.Delivered();
    if (delivered) Flush();
  }
  if (!dead_) FinishTick();
  in_batch_ = false;
}

void LoopWrap::FinishTick() {
  for (int round = 0; round < kCommitRoundsMax && (Wants() & kWantCommit) != 0; ++round) {
    if (!Cross(kCallCommit)) return;
  }
  Flush();
  if (!dead_) ArmHandles();
}

void LoopWrap::Flush() {
  if ((Wants() & kWantBeforeFlush) != 0 && !Cross(kCallBeforeFlush)) return;
  loop_.Flush();
}

bool LoopWrap::Cross(CallKind kind) {
  if (dead_) return false;
  if (!callback_.Call(env_, kind)) dead_ = true;
  return !dead_;
}

void LoopWrap::ArmHandles() {
  if (closing_) return;
  if (loop_.HasMore() || loop_.HasSendRecords() || Wants() != 0) {
    (void)uv_idle_start(&idle_, OnIdle);
  } else {
    (void)uv_idle_stop(&idle_);
  }
  const uint64_t next = loop_.NextDeadlineMs();
  if (next != timer_at_ms_) {
    timer_at_ms_ = next;
    if (next == TimerWheel::kNever) {
      (void)uv_timer_stop(&timer_);
    } else {
      const uint64_t now = EventLoop::NowMs();
      uv_update_time(poll_.loop);
      (void)uv_timer_start(&timer_, OnTimer, next > now ? next - now : 1, 0);
    }
  }
  const bool referenced = loop_.open_count() > 0;
  if (referenced == referenced_) return;
  referenced_ = referenced;
  auto* handle = reinterpret_cast<uv_handle_t*>(&poll_);
  if (referenced) {
    uv_ref(handle);
  } else {
    uv_unref(handle);
  }
}

void LoopWrap::CloseHandles() {
  if (closing_) return;
  closing_ = true;
  (void)uv_poll_stop(&poll_);
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_), OnHandleClosed);
  uv_close(reinterpret_cast<uv_handle_t*>(&prepare_), OnHandleClosed);
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), OnHandleClosed);
  uv_close(reinterpret_cast<uv_handle_t*>(&idle_), OnHandleClosed);
}

void LoopWrap::OnCleanup(napi_async_cleanup_hook_handle, void* data) {
  auto* wrap = static_cast<LoopWrap*>(data);
  wrap->environment_ends_ = true;
  wrap->dead_ = true;
  wrap->CloseHandles();
}

void LoopWrap::OnHandleClosed(uv_handle_t* handle) {
  auto* wrap = static_cast<LoopWrap*>(handle->data);
  if (--wrap->handles_open_ == 0) wrap->HandlesClosed();
}

void LoopWrap::HandlesClosed() {
  loop_.Close();
  if (!environment_ends_ && !dead_) {
    (void)callback_.Call(env_, kCallClosed);
    callback_.Release(env_);
    (void)napi_delete_reference(env_, buffers_);
  }
  (void)napi_remove_async_cleanup_hook(cleanup_hook_);
  if (finalized_) delete this;
}

}  // namespace sluice
