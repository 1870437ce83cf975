#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "client.hpp"

namespace moegate::net::test {
namespace {

namespace fs = std::filesystem;
constexpr long kDays = 30;

// Writes a self-signed certificate with a fresh P-256 key.
void write_pair(const std::string& cert_file, const std::string& key_file, const char* name) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* cert = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
  X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
  X509_gmtime_adj(X509_getm_notAfter(cert), kDays * 86400);
  X509_set_pubkey(cert, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  X509_set_issuer_name(cert, X509_get_subject_name(cert));
  X509_sign(cert, key, EVP_sha256());
  FILE* file = std::fopen(cert_file.c_str(), "w");
  PEM_write_X509(file, cert);
  std::fclose(file);
  file = std::fopen(key_file.c_str(), "w");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
  X509_free(cert);
  EVP_PKEY_free(key);
}

// A blocking TLS client on a socket of our own.
class TlsClient {
 public:
  explicit TlsClient(std::uint16_t port, int min_version = TLS1_2_VERSION, int max_version = TLS1_3_VERSION,
                     const char* ciphers = nullptr)
      : socket_(port), context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_security_level(context_, 0);
    SSL_CTX_set_min_proto_version(context_, min_version);
    SSL_CTX_set_max_proto_version(context_, max_version);
    if (ciphers != nullptr) SSL_CTX_set_cipher_list(context_, ciphers);
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, socket_.fd());
    is_connected_ = SSL_connect(ssl_) == 1;
  }
  ~TlsClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }

  bool is_connected() const { return is_connected_; }
  std::string version() const { return SSL_get_version(ssl_); }
  bool send(const std::string& text) { return SSL_write(ssl_, text.data(), static_cast<int>(text.size())) > 0; }
  std::string read_to_end() {
    std::string all;
    char piece[4096];
    int count = 0;
    while ((count = SSL_read(ssl_, piece, sizeof piece)) > 0) all.append(piece, static_cast<std::size_t>(count));
    is_clean_end_ = SSL_get_error(ssl_, count) == SSL_ERROR_ZERO_RETURN;
    return all;
  }
  bool is_clean_end() const { return is_clean_end_; }
  std::string peer_name() const {
    X509* cert = SSL_get1_peer_certificate(ssl_);
    char name[64] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, sizeof name);
    X509_free(cert);
    return name;
  }
  SSL* native() { return ssl_; }

 private:
  Client socket_;
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
  bool is_connected_ = false;
  bool is_clean_end_ = false;
};

class Tls : public ::testing::Test {
 protected:
  Tls() : folder_((fs::temp_directory_path() / "moegate-tls-XXXXXX").string()) {
    if (mkdtemp(folder_.data()) == nullptr) throw std::runtime_error("mkdtemp");
    options_.tls_cert_file = folder_ + "/cert.pem";
    options_.tls_key_file = folder_ + "/key.pem";
    write_pair(options_.tls_cert_file, options_.tls_key_file, "first");
  }
  ~Tls() override { fs::remove_all(folder_); }

  static std::string ask(TlsClient& client) {
    client.send(get("/tls", "Connection: close\r\n"));
    return client.read_to_end();
  }

  std::string folder_;
  ServerOptions options_;
};

TEST_F(Tls, versions_1_2_and_1_3_are_served_and_end_with_a_close_notify) {
  Server server(echo, options_);
  for (const auto& [version, name] : {std::pair{TLS1_2_VERSION, "TLSv1.2"}, std::pair{TLS1_3_VERSION, "TLSv1.3"}}) {
    TlsClient client(server.port(), version, version);
    ASSERT_TRUE(client.is_connected()) << name;
    EXPECT_EQ(client.version(), name);
    EXPECT_TRUE(ask(client).ends_with("GET\n/tls\n\n")) << name;
    EXPECT_TRUE(client.is_clean_end()) << name;
  }
}

TEST_F(Tls, older_versions_and_weak_ciphers_are_refused) {
  Flag failed;
  options_.hooks.on_tls_handshake = [&](std::string_view, bool ok) {
    EXPECT_FALSE(ok);
    failed.set();
  };
  Server server(echo, options_);
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
    EXPECT_FALSE(TlsClient(server.port(), version, version).is_connected()) << version;
  }
  for (const char* ciphers : {"AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA", "eNULL", "aNULL"}) {
    EXPECT_FALSE(TlsClient(server.port(), TLS1_2_VERSION, TLS1_2_VERSION, ciphers).is_connected()) << ciphers;
  }
  EXPECT_TRUE(failed.wait());
}

TEST_F(Tls, renegotiation_is_refused) {
  Server server(echo, options_);
  TlsClient client(server.port(), TLS1_2_VERSION, TLS1_2_VERSION);
  ASSERT_TRUE(client.is_connected());
  EXPECT_EQ(SSL_renegotiate(client.native()), 1);
  EXPECT_NE(SSL_do_handshake(client.native()), 1);
}

TEST_F(Tls, plain_http_and_stalled_handshakes_are_cut) {
  options_.handshake_timeout = std::chrono::milliseconds(50);
  Server server([](auto) { FAIL(); }, options_);
  Client plain(server.port());
  plain.send(get("/"));
  EXPECT_EQ(plain.read_to_end().find("200 OK"), std::string::npos);
  Client stalled(server.port());
  stalled.send("\x16\x03\x01\x02\x00\x01\x00\x01");
  EXPECT_EQ(stalled.read_to_end(), "");
  EXPECT_EQ(stalled.end(), End::closed);
}

TEST_F(Tls, a_new_pair_is_taken_and_a_broken_one_keeps_the_old) {
  Server server(echo, options_);
  EXPECT_EQ(TlsClient(server.port()).peer_name(), "first");
  EXPECT_GT(server.http->tls_not_after(), std::time(nullptr) + (kDays - 1) * 86400);

  write_pair(options_.tls_cert_file, options_.tls_key_file, "second");
  TlsClient before(server.port());
  ASSERT_TRUE(server.http->reload_tls().ok());
  EXPECT_EQ(TlsClient(server.port()).peer_name(), "second");
  EXPECT_TRUE(ask(before).ends_with("GET\n/tls\n\n"));

  write_pair(options_.tls_cert_file, folder_ + "/other.pem", "third");  // does not match the key
  EXPECT_EQ(server.http->reload_tls().code(), moe::Code::invalid_argument);
  std::ofstream(options_.tls_cert_file) << "no certificate";
  const auto status = server.http->reload_tls();
  EXPECT_NE(status.message().find(options_.tls_cert_file), std::string::npos);
  EXPECT_EQ(TlsClient(server.port()).peer_name(), "second");
}

TEST_F(Tls, a_cut_stream_looks_cut) {
  Server server(
      [](auto exchange) {
        exchange->begin_stream(200, "text/event-stream", {});
        exchange->write("data: 1\n\n");
        exchange->end_stream(false);
      },
      options_);
  TlsClient client(server.port());
  client.send(get("/"));
  EXPECT_TRUE(client.read_to_end().ends_with("data: 1\n\n\r\n"));
  EXPECT_FALSE(client.is_clean_end());
}

TEST_F(Tls, large_bodies_pass_both_ways) {
  Server server(echo, options_);
  TlsClient client(server.port());
  const std::string body(3 << 20, 'b');
  client.send("POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
              "\r\n\r\n");
  client.send(body);
  const auto all = client.read_to_end();
  EXPECT_TRUE(all.ends_with(body));
  EXPECT_TRUE(client.is_clean_end());
}

}  // namespace
}  // namespace moegate::net::test
