#include "server/self_signed.h"

#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "base/text.h"

namespace halcyon::server {
namespace {

namespace fs = std::filesystem;
constexpr long kDay = 24L * 60 * 60;
constexpr long kYear = 365 * kDay;

template <auto Free>
struct With {
  template <class T>
  void operator()(T* value) const {
    Free(value);
  }
};
using Key = std::unique_ptr<EVP_PKEY, With<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, With<X509_free>>;
using Number = std::unique_ptr<BIGNUM, With<BN_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, With<X509_EXTENSION_free>>;
using Memory = std::unique_ptr<BIO, With<BIO_free>>;

std::unexpected<Error> failed(const std::string& what) {
  return invalid("INVALID_CONFIG", "--self-signed: " + what);
}

bool add_extension(X509* cert, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, cert, cert, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  return extension && X509_add_ext(cert, extension.get(), -1) == 1;
}

Certificate make_certificate(EVP_PKEY* key, const std::vector<std::string>& names) {
  Certificate cert(X509_new());
  const Number serial(BN_new());
  X509_NAME* subject = X509_get_subject_name(cert.get());
  const auto* common = reinterpret_cast<const unsigned char*>(names.front().c_str());
  bool good =
      BN_rand(serial.get(), 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
      BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(cert.get())) != nullptr &&
      X509_set_version(cert.get(), X509_VERSION_3) == 1 &&
      X509_gmtime_adj(X509_getm_notBefore(cert.get()), -kDay) != nullptr &&
      X509_gmtime_adj(X509_getm_notAfter(cert.get()), kYear) != nullptr &&
      X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, common, -1, -1, 0) == 1 &&
      X509_set_issuer_name(cert.get(), subject) == 1 && X509_set_pubkey(cert.get(), key) == 1;
  std::vector<std::string> alternatives;
  for (const std::string& name : names) alternatives.push_back("DNS:" + name);
  alternatives.insert(alternatives.end(), {"IP:127.0.0.1", "IP:::1"});
  good = good && add_extension(cert.get(), NID_subject_alt_name, join(alternatives, ",")) &&
         add_extension(cert.get(), NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(cert.get(), NID_ext_key_usage, "serverAuth") &&
         X509_sign(cert.get(), key, EVP_sha256()) > 0;
  return good ? std::move(cert) : nullptr;
}

std::string text_of(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return {data, static_cast<size_t>(size)};
}

Status write_file(const std::string& path, const std::string& text, mode_t mode) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  const bool written =
      fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int why = errno;
  if (fd >= 0) ::close(fd);
  if (!written) return failed("cannot write " + path + ": " + std::strerror(why));
  return {};
}

}  // namespace

Result<TlsFiles> self_signed(const std::string& folder, std::vector<std::string> names) {
  std::error_code error;
  fs::create_directories(folder, error);
  const fs::path base = fs::absolute(folder, error);
  TlsFiles files{(base / "halcyon.crt").string(), (base / "halcyon.key").string()};
  if (fs::exists(files.cert, error) && fs::exists(files.key, error)) return files;
  if (names.empty()) names.emplace_back("localhost");
  const Key key(EVP_EC_gen("P-256"));
  const Certificate cert = key ? make_certificate(key.get(), names) : nullptr;
  if (!cert) return failed("the certificate could not be made");
  const Memory cert_text(BIO_new(BIO_s_mem())), key_text(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(cert_text.get(), cert.get());
  PEM_write_bio_PKCS8PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  TRY_STATUS(write_file(files.key, text_of(key_text.get()), 0600));
  TRY_STATUS(write_file(files.cert, text_of(cert_text.get()), 0644));
  return files;
}

}  // namespace halcyon::server
