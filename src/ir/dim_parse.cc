// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cctype>

#include "ir/dim.h"

namespace penstock::ir {
namespace {

// Recursive descent over: sum := ['-'] product {('+'|'-') product}; product := factor {'*' factor};
// factor := integer | name | function '(' sum ',' sum ')' | '(' sum ')'.
class DimParser {
 public:
  explicit DimParser(std::string_view text) : text_(text) {}

  Result<Dim> parse() {
    Dim result = sum();
    skip_space();
    if (failed_ || position_ != text_.size()) {
      return Status(StatusCode::kInvalidArgument, "not an extent: '" + std::string(text_) + "'");
    }
    return result;
  }

 private:
  void skip_space() {
    while (position_ < text_.size() && text_[position_] == ' ') ++position_;
  }
  bool accept(char c) {
    skip_space();
    if (position_ >= text_.size() || text_[position_] != c) return false;
    ++position_;
    return true;
  }

  Dim sum() {
    // Text comes from files: bound the depth, so that no input overflows the stack.
    if (++depth_ > 64) {
      failed_ = true;
      return 0;
    }
    Dim total = accept('-') ? Dim(0) - product() : product();
    while (!failed_) {
      if (accept('+')) {
        total = total + product();
      } else if (accept('-')) {
        total = total - product();
      } else {
        break;
      }
    }
    --depth_;
    return total;
  }

  Dim product() {
    Dim result = factor();
    while (!failed_ && accept('*')) result = result * factor();
    return result;
  }

  Dim factor() {
    skip_space();
    if (accept('(')) {
      Dim inner = sum();
      failed_ = failed_ || !accept(')');
      return inner;
    }
    if (position_ >= text_.size()) {
      failed_ = true;
      return 0;
    }
    if (std::isdigit(static_cast<unsigned char>(text_[position_])) != 0) return integer();
    const std::string_view name = word();
    if (name.empty()) {
      failed_ = true;
      return 0;
    }
    return accept('(') ? function(name) : Dim::symbol(name);
  }

  Dim integer() {
    int64_t value = 0;
    while (position_ < text_.size() &&
           std::isdigit(static_cast<unsigned char>(text_[position_])) != 0) {
      if (__builtin_mul_overflow(value, 10, &value) ||
          __builtin_add_overflow(value, text_[position_] - '0', &value)) {
        failed_ = true;
        return 0;
      }
      ++position_;
    }
    return value;
  }

  // Symbols are names of model dimensions: anything but the characters the grammar needs.
  std::string_view word() {
    const size_t begin = position_;
    while (position_ < text_.size() &&
           std::string_view(" ()*+-,").find(text_[position_]) == std::string_view::npos) {
      ++position_;
    }
    return text_.substr(begin, position_ - begin);
  }

  Dim function(std::string_view name) {
    const Dim a = sum();
    failed_ = failed_ || !accept(',');
    const Dim b = sum();
    failed_ = failed_ || !accept(')');
    if (failed_) return 0;
    if (name == "floordiv" || name == "mod") {
      if (b.is_constant(0)) {
        failed_ = true;
        return 0;
      }
      return name == "mod" ? Dim::mod(a, b) : Dim::floor_div(a, b);
    }
    if (name == "min") return Dim::min(a, b);
    if (name == "max") return Dim::max(a, b);
    if (name == "bcast") return Dim::broadcast(a, b);
    failed_ = true;
    return 0;
  }

  std::string_view text_;
  size_t position_ = 0;
  int depth_ = 0;
  bool failed_ = false;
};

}  // namespace

Result<Dim> Dim::parse(std::string_view text) { return DimParser(text).parse(); }

}  // namespace penstock::ir
