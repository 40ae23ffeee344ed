// An EventLoop without Node: the memory that JavaScript would share, the tick, and clients. The
// tests play JavaScript.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "../../native/core/event_loop.h"
#include "fake_kernel.h"

namespace sluice {

struct Record {
  uint32_t slot;
  uint32_t generation;
  int32_t kind;
  std::string bytes;
  int32_t value;
  int32_t port = 0;
};

class EventLoopRig : public ::testing::Test {
 protected:
  void SetUp() override {
    test::ResetFakeKernel();
    Start(kSlotsMax);
  }
  void TearDown() override {
    test::ResetFakeKernel();
    for (const int fd : clients_) (void)::close(fd);
  }

  void Start(uint32_t slots_max) {
    memory_.receive_slab = receive_.data();
    memory_.receive_bytes = kReceiveSlabBytes;
    memory_.send_slab = send_.data();
    memory_.send_bytes = static_cast<uint32_t>(send_.size());
    memory_.header = header_;
    memory_.receive_records = receive_records_.data();
    memory_.receive_records_max = kReceiveRecordsMax;
    memory_.send_records = send_records_.data();
    memory_.send_records_max = kSendRecordsMax;
    memory_.fanout_slots = fanout_.data();
    memory_.fanout_slots_max = static_cast<uint32_t>(fanout_.size());
    memory_.pending = pending_.data();
    memory_.slots_max = slots_max;
    loop_ = std::make_unique<EventLoop>(memory_, true);
    ASSERT_EQ(loop_->Open(), 0);
    const int index = loop_->Listen("127.0.0.1", 0, 128);
    ASSERT_EQ(index, 0);
    port_ = loop_->ListenerPort(0);
    ASSERT_GT(port_, 0);
  }

  int Connect() {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    clients_.push_back(fd);
    return fd;
  }

  /** One sub-batch; its records, with their bytes copied. */
  std::vector<Record> Collect() {
    std::vector<Record> records;
    const uint32_t count = loop_->Collect();
    for (uint32_t i = 0; i < count; ++i) {
      const int32_t* words = receive_records_.data() + i * kReceiveStride;
      records.push_back({static_cast<uint32_t>(words[0]), static_cast<uint32_t>(words[1]), words[2],
                         std::string(receive_.begin() + words[3], receive_.begin() + words[4]),
                         words[5], words[6]});
    }
    return records;
  }

  /** Waits for the kernel, at most a second, and collects everything of that wake-up. */
  std::vector<Record> Turn() {
    pollfd readable{loop_->fd(), POLLIN, 0};
    if (!loop_->HasMore()) (void)::poll(&readable, 1, 1000);
    loop_->Wait();
    std::vector<Record> all;
    while (loop_->HasMore()) {
      for (Record& record : Collect()) all.push_back(record);
      loop_->Delivered();
      loop_->Flush();
    }
    return all;
  }

  Record Accept() {
    const std::vector<Record> records = Turn();
    EXPECT_EQ(records.size(), 1U);
    EXPECT_EQ(records.at(0).kind, kEventOpen);
    return records.at(0);
  }

  void PutRecord(int32_t operation, uint32_t slot, uint32_t generation, uint32_t start,
                 uint32_t length, uint32_t count = 0) {
    int32_t* words = send_records_.data() + header_[kHeaderSendCount]++ * kSendStride;
    words[0] = operation;
    words[1] = static_cast<int32_t>(slot);
    words[2] = static_cast<int32_t>(generation);
    words[3] = static_cast<int32_t>(start);
    words[4] = static_cast<int32_t>(length);
    words[5] = static_cast<int32_t>(count);
  }

  uint32_t PutBytes(const std::string& text) {
    const auto start = static_cast<uint32_t>(header_[kHeaderSendCursor]);
    std::memcpy(send_.data() + start, text.data(), text.size());
    header_[kHeaderSendCursor] += static_cast<int32_t>(text.size());
    return start;
  }

  void Write(const Record& peer, const std::string& text) {
    const uint32_t start = PutBytes(text);
    PutRecord(kSendWrite, peer.slot, peer.generation, start, static_cast<uint32_t>(text.size()));
  }

  /** Queues twice the send slab, more than the kernel takes, and closes behind it. */
  void CloseBehindMuch(const Record& peer) {
    const std::string much(send_.size(), 'x');
    Write(peer, much);
    loop_->Flush();
    Write(peer, much);
    PutRecord(kSendClose, peer.slot, peer.generation, 0, 0);
    loop_->Flush();
    EXPECT_GT(pending_[peer.slot], 0);
  }

  static std::string ReadAll(int fd, size_t length) {
    std::string text(length, '\0');
    size_t got = 0;
    while (got < length) {
      const ssize_t count = ::recv(fd, text.data() + got, length - got, 0);
      if (count <= 0) break;
      got += static_cast<size_t>(count);
    }
    text.resize(got);
    return text;
  }

  std::vector<uint8_t> receive_ = std::vector<uint8_t>(kReceiveSlabBytes);
  std::vector<uint8_t> send_ = std::vector<uint8_t>(8 * 1024 * 1024);
  int32_t header_[kHeaderWords] = {};
  std::vector<int32_t> receive_records_ = std::vector<int32_t>(kReceiveRecordsMax * kReceiveStride);
  std::vector<int32_t> send_records_ = std::vector<int32_t>(kSendRecordsMax * kSendStride);
  std::vector<int32_t> fanout_ = std::vector<int32_t>(1024);
  std::vector<int32_t> pending_ = std::vector<int32_t>(kSlotsMax);
  SharedMemory memory_;
  std::unique_ptr<EventLoop> loop_;
  std::vector<int> clients_;
  int port_ = 0;
};

}  // namespace sluice
