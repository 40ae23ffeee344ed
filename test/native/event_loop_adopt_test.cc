// Sockets that began elsewhere: what was read already comes first, whatever happens meanwhile.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "event_loop_rig.h"

namespace sluice {
namespace {

class EventLoopAdopt : public EventLoopRig {
 protected:
  /** A pair of which the loop has one end. */
  Record AdoptOne(const std::string& head, bool duplicate = false) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    peer_ = ends[0];
    ours_ = ends[1];
    clients_.push_back(peer_);
    Adoption adoption;
    adoption.fd = ours_;
    adoption.duplicate = duplicate;
    adoption.head = reinterpret_cast<const uint8_t*>(head.data());
    adoption.head_bytes = static_cast<uint32_t>(head.size());
    uint64_t token = 0;
    EXPECT_EQ(loop_->Adopt(adoption, &token), 0);
    return {TokenSlot(token), TokenGeneration(token), 0, "", 0, 0};
  }

  /** All data that arrives until a record of another kind comes, or `length` bytes are there. */
  std::string DataOf(size_t length) {
    std::string text;
    while (text.size() < length) {
      const std::vector<Record> records = Turn();
      if (records.empty()) break;
      for (const Record& record : records) {
        if (record.kind != kEventData) return text;
        text += record.bytes;
      }
    }
    return text;
  }

  int peer_ = -1;
  int ours_ = -1;
};

TEST_F(EventLoopAdopt, TheHeadComesBeforeWhatTheSocketHolds) {
  const std::string head(3 * kReadBytesPerConnectionMax + 17, 'h');
  (void)AdoptOne(head);
  ASSERT_EQ(::send(peer_, "tail", 4, 0), 4);
  EXPECT_EQ(DataOf(head.size() + 4), head + "tail");
}

TEST_F(EventLoopAdopt, WithoutAHeadTheSocketIsReadAtOnce) {
  (void)AdoptOne("");
  ASSERT_EQ(::send(peer_, "first", 5, 0), 5);
  EXPECT_EQ(DataOf(5), "first");
}

TEST_F(EventLoopAdopt, WhilePausedTheHeadWaitsAndWritesGoOut) {
  const Record adopted = AdoptOne("head");
  PutRecord(kSendPause, adopted.slot, adopted.generation, 0, 0);
  Write(adopted, "answer");
  loop_->Flush();
  EXPECT_EQ(ReadAll(peer_, 6), "answer");
  EXPECT_TRUE(Turn().empty());
  PutRecord(kSendResume, adopted.slot, adopted.generation, 0, 0);
  loop_->Flush();
  EXPECT_EQ(DataOf(4), "head");
}

TEST_F(EventLoopAdopt, APeerThatLeavesMeanwhileLosesNothing) {
  const Record adopted = AdoptOne("head");
  PutRecord(kSendPause, adopted.slot, adopted.generation, 0, 0);
  loop_->Flush();
  (void)::send(peer_, "tail", 4, 0);
  (void)::shutdown(peer_, SHUT_RDWR);
  EXPECT_TRUE(Turn().empty());
  PutRecord(kSendResume, adopted.slot, adopted.generation, 0, 0);
  loop_->Flush();
  EXPECT_EQ(DataOf(100), "headtail");
}

TEST_F(EventLoopAdopt, CloseDropsTheHeadAndLingers) {
  const Record adopted = AdoptOne("head");
  Write(adopted, "bye");
  PutRecord(kSendClose, adopted.slot, adopted.generation, 0, 0);
  loop_->Flush();
  EXPECT_EQ(ReadAll(peer_, 10), "bye");
  (void)::shutdown(peer_, SHUT_WR);
  const std::vector<Record> records = Turn();
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].kind, kEventClose);
  EXPECT_EQ(loop_->open_count(), 1U);
}

TEST_F(EventLoopAdopt, ADuplicateOutlivesItsOrigin) {
  const Record adopted = AdoptOne("head", true);
  ASSERT_EQ(::close(ours_), 0);
  EXPECT_EQ(DataOf(4), "head");
  Write(adopted, "still here");
  loop_->Flush();
  EXPECT_EQ(ReadAll(peer_, 10), "still here");
}

TEST_F(EventLoopAdopt, WhatIsNotAConnectedStreamStaysItsOwners) {
  const auto adopt = [this](int fd, bool duplicate) {
    Adoption adoption;
    adoption.fd = fd;
    adoption.duplicate = duplicate;
    uint64_t token = 0;
    return loop_->Adopt(adoption, &token);
  };
  const UniqueFd file(::open("/dev/null", O_RDWR));
  const UniqueFd lonely(::socket(AF_INET, SOCK_STREAM, 0));
  const UniqueFd listening(ListenOn("127.0.0.1", 0, 4));
  const UniqueFd datagram(::socket(AF_INET, SOCK_DGRAM, 0));
  for (const bool duplicate : {false, true}) {
    EXPECT_EQ(adopt(9999, duplicate), -EBADF);
    EXPECT_EQ(adopt(file.get(), duplicate), -ENOTSOCK);
    EXPECT_EQ(adopt(lonely.get(), duplicate), -ENOTCONN);
    EXPECT_EQ(adopt(listening.get(), duplicate), -EINVAL);
    EXPECT_EQ(adopt(datagram.get(), duplicate), -EPROTOTYPE);
  }
  EXPECT_GE(::fcntl(lonely.get(), F_GETFD), 0);
  EXPECT_EQ(loop_->open_count(), 1U);
}

TEST_F(EventLoopAdopt, ASocketIsAdoptedOnceUntilItIsClosed) {
  const Record adopted = AdoptOne("", true);
  Adoption again;
  again.fd = ours_;
  again.duplicate = true;
  uint64_t token = 0;
  EXPECT_EQ(loop_->Adopt(again, &token), -EEXIST);
  PutRecord(kSendDrop, adopted.slot, adopted.generation, 0, 0);
  loop_->Flush();
  EXPECT_EQ(Turn().size(), 1U);
  EXPECT_EQ(loop_->Adopt(again, &token), 0);
  (void)::close(ours_);
}

TEST_F(EventLoopAdopt, TheKernelTellsWhoIsAtTheOtherEnd) {
  const Record adopted = AdoptOne("");
  SocketInfo info;
  ASSERT_EQ(loop_->ReadInfo(adopted.slot, adopted.generation, &info), 0);
  EXPECT_EQ(info.family, AF_UNIX);
  EXPECT_EQ(info.peer_pid, ::getpid());
  EXPECT_EQ(info.peer_uid, static_cast<int64_t>(::getuid()));
  Connect();
  const Record tcp = Accept();
  ASSERT_EQ(loop_->ReadInfo(tcp.slot, tcp.generation, &info), 0);
  EXPECT_EQ(info.local.port, port_);
  EXPECT_GT(info.rtt_us, 0U);
  EXPECT_GT(info.congestion_window, 0U);
  EXPECT_EQ(loop_->ReadInfo(tcp.slot, tcp.generation + 1, &info), -EBADF);
}

}  // namespace
}  // namespace sluice
