// See tls_channel.h.
#include "tls_channel.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "tls_live.h"

namespace sluice {

namespace {

constexpr int kBioType = BIO_TYPE_SOURCE_SINK;

template <size_t kCapacity>
void CopyText(char (&into)[kCapacity], const char* text) {
  (void)std::snprintf(into, kCapacity, "%s", text != nullptr ? text : "");
}

/** Node's crypto shares the thread's queue of errors. Clearing an empty one is not free. */
void ForgetErrors() {
  if (ERR_peek_last_error() != 0) ERR_clear_error();
}

}  // namespace

BIO_METHOD* TlsChannel::NewBioMethod() {
  BIO_METHOD* method = BIO_meth_new(kBioType, "sluice");
  if (method == nullptr) return nullptr;
  (void)BIO_meth_set_read(method, BioRead);
  (void)BIO_meth_set_write(method, BioWrite);
  (void)BIO_meth_set_ctrl(method, BioControl);
  return method;
}

TlsChannel* TlsChannel::Create(SSL_CTX* ssl_context, TlsContext* context) {
  ERR_clear_error();
  SSL* ssl = SSL_new(ssl_context);
  BIO* bio = ssl == nullptr ? nullptr : BIO_new(context->bio_method());
  if (bio == nullptr) {
    SSL_free(ssl);
    ERR_clear_error();
    return nullptr;
  }
  auto* channel = new TlsChannel(ssl, context);
  BIO_set_data(bio, channel);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  SSL_set_accept_state(ssl);
  (void)SSL_set_app_data(ssl, channel);
  return channel;
}

TlsChannel* TlsChannel::Of(const SSL* ssl) {
  return static_cast<TlsChannel*>(SSL_get_app_data(ssl));
}

TlsChannel::TlsChannel(SSL* ssl, TlsContext* context) : ssl_(ssl), context_(context) {
  context_->Acquire();
  tls_live.channels++;
}

TlsChannel::~TlsChannel() {
  // Neither flushes nor says goodbye: that was Shutdown's work.
  SSL_set_quiet_shutdown(ssl_, 1);
  SSL_free(ssl_);
  context_->Release();
  tls_live.channels--;
  ERR_clear_error();
}

void TlsChannel::Destroy() {
  delete this;
}

SecureRead TlsChannel::Receive(const uint8_t* cipher, uint32_t count, uint8_t* plain,
                               uint32_t plain_max, CipherSink* sink) {
  SecureRead read{0, SecureStatus::kFailed};
  if (failed_) return read;
  cipher_ = cipher;
  cipher_left_ = count;
  sink_ = sink;
  ForgetErrors();
  read.status = open_ ? SecureStatus::kGoesOn : Handshake();
  if (open_) read.status = ReadAll(plain, plain_max, &read.plain_bytes);
  failed_ = read.status == SecureStatus::kFailed;
  ForgetErrors();
  cipher_ = nullptr;
  cipher_left_ = 0;
  sink_ = nullptr;
  return read;
}

SecureStatus TlsChannel::Handshake() {
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) {
    open_ = true;
    return SecureStatus::kGoesOn;
  }
  return SSL_get_error(ssl_, result) == SSL_ERROR_WANT_READ ? SecureStatus::kGoesOn
                                                            : SecureStatus::kFailed;
}

SecureStatus TlsChannel::ReadAll(uint8_t* plain, uint32_t plain_max, uint32_t* used) {
  // Asked for more than there is, OpenSSL would set up a record buffer in order to find that out.
  while (cipher_left_ > 0 || SSL_has_pending(ssl_) == 1) {
    // More plaintext than ciphertext: the caller has given less room than it must.
    if (*used == plain_max) return SecureStatus::kFailed;
    const int result = SSL_read(ssl_, plain + *used, static_cast<int>(plain_max - *used));
    if (result > 0) {
      *used += static_cast<uint32_t>(result);
      continue;
    }
    switch (SSL_get_error(ssl_, result)) {
      case SSL_ERROR_WANT_READ:
        return SecureStatus::kGoesOn;
      case SSL_ERROR_ZERO_RETURN:
        return SecureStatus::kEnded;
      default:
        return SecureStatus::kFailed;
    }
  }
  return SecureStatus::kGoesOn;
}

bool TlsChannel::Encrypt(const uint8_t* plain, uint32_t count, CipherSink* sink) {
  if (!open_ || failed_ || shut_down_ || count > INT32_MAX) return false;
  if (count == 0) return true;
  sink_ = sink;
  ForgetErrors();
  const int result = SSL_write(ssl_, plain, static_cast<int>(count));
  ForgetErrors();
  sink_ = nullptr;
  failed_ = result != static_cast<int>(count);
  return !failed_;
}

void TlsChannel::Shutdown(CipherSink* sink) {
  if (!open_ || failed_ || shut_down_) return;
  shut_down_ = true;
  sink_ = sink;
  ForgetErrors();
  // 0: ours is sent, the peer's is not there; nobody waits for it.
  (void)SSL_shutdown(ssl_);
  ForgetErrors();
  sink_ = nullptr;
}

void TlsChannel::Describe(SecureDescription* description) const {
  *description = {};
  CopyText(description->protocol, SSL_get_version(ssl_));
  CopyText(description->cipher, SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl_)));
  CopyText(description->server_name, server_name_.c_str());
  const unsigned char* protocol = nullptr;
  unsigned int length = 0;
  SSL_get0_alpn_selected(ssl_, &protocol, &length);
  const size_t fits =
      std::min(size_t{length}, sizeof(description->application_protocol) - size_t{1});
  if (length > 0) std::memcpy(description->application_protocol, protocol, fits);
  description->resumed = SSL_session_reused(ssl_) == 1;
  if (SSL_get0_peer_certificate(ssl_) == nullptr) return;
  const long result = SSL_get_verify_result(ssl_);
  description->authorized = result == X509_V_OK;
  if (!description->authorized) {
    CopyText(description->reason, X509_verify_cert_error_string(result));
  }
}

uint32_t TlsChannel::PeerCertificate(uint8_t* into, uint32_t capacity) const {
  const X509* certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr) return 0;
  const int length = i2d_X509(certificate, nullptr);
  if (length <= 0) return 0;
  if (static_cast<uint32_t>(length) <= capacity) {
    unsigned char* at = into;
    (void)i2d_X509(certificate, &at);
  }
  ERR_clear_error();
  return static_cast<uint32_t>(length);
}

int TlsChannel::BioRead(BIO* bio, char* into, int capacity) {
  auto* channel = static_cast<TlsChannel*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (channel->cipher_left_ == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const uint32_t count = std::min(channel->cipher_left_, static_cast<uint32_t>(capacity));
  std::memcpy(into, channel->cipher_, count);
  channel->cipher_ += count;
  channel->cipher_left_ -= count;
  return static_cast<int>(count);
}

int TlsChannel::BioWrite(BIO* bio, const char* from, int count) {
  auto* channel = static_cast<TlsChannel*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (channel->sink_ == nullptr || count < 0) return -1;
  channel->sink_->PutCipher(reinterpret_cast<const uint8_t*>(from), static_cast<uint32_t>(count));
  return count;
}

long TlsChannel::BioControl(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

}  // namespace sluice
