// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ir/parse.h"

#include <cctype>
#include <charconv>
#include <cstdlib>
#include <random>
#include <unordered_map>

#include "ir/text.h"

namespace penstock::ir {
namespace {

// Text may come from files: bounds that keep a wrong one from exhausting memory or the stack.
constexpr int64_t kMostElements = int64_t{1} << 28;
constexpr int kDeepestRegion = 64;

// Contents that depend on the seed alone: floats in [-1, 1), integers in [0, 8), random bools.
ConstantRef random_constant(DataType dtype, const Shape& shape, uint64_t seed) {
  std::mt19937_64 generator(seed);
  const auto count = static_cast<size_t>(element_count(shape));
  if (is_floating(dtype)) {
    std::vector<double> elements(count);
    for (double& x : elements) x = static_cast<double>(generator() >> 11) * 0x1p-52 - 1.0;
    return constant_of(dtype, shape, elements);
  }
  const uint64_t mask = dtype == DataType::kBool ? 1 : 7;
  std::vector<int64_t> elements(count);
  for (int64_t& x : elements) x = static_cast<int64_t>((generator() >> 32) & mask);
  return constant_of(dtype, shape, elements);
}

bool parse_whole(const std::string& text, double& value) {
  char* end = nullptr;
  value = std::strtod(text.c_str(), &end);
  return !text.empty() && *end == '\0';
}

bool parse_whole(const std::string& text, int64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

struct Type {
  DataType dtype = DataType::kUndefined;
  SymbolicShape shape;
  std::optional<ElementType> element = {};
};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Graph> parse() {
    PENSTOCK_RETURN_IF_ERROR(expect_word("graph"));
    PENSTOCK_ASSIGN_OR_RETURN(graph_.name, name());
    PENSTOCK_RETURN_IF_ERROR(inputs(graph_.main));
    PENSTOCK_RETURN_IF_ERROR(body(graph_.main));
    skip_space();
    if (position_ != text_.size()) return error("text after the end of the graph");
    return std::move(graph_);
  }

 private:
  Status error(const std::string& what) const { return error_at(position_, what); }

  Status error_at(size_t position, const std::string& what) const {
    size_t line = 1;
    size_t column = 1;
    for (size_t i = 0; i < position && i < text_.size(); ++i) {
      ++column;
      if (text_[i] == '\n') {
        ++line;
        column = 1;
      }
    }
    return {StatusCode::kInvalidArgument, "graph text, line " + std::to_string(line) + ", column " +
                                              std::to_string(column) + ": " + what};
  }

  void skip_space() {
    while (position_ < text_.size() &&
           std::string_view(" \t\r\n").find(text_[position_]) != std::string_view::npos) {
      ++position_;
    }
  }

  bool peek(char c) {
    skip_space();
    return position_ < text_.size() && text_[position_] == c;
  }

  bool accept(char c) {
    if (!peek(c)) return false;
    ++position_;
    return true;
  }

  Status expect(char c) {
    if (accept(c)) return Status::ok();
    return error(std::string("expected '") + c + "'");
  }

  // The longest run of characters that may stand in a bare name.
  std::string_view word() {
    skip_space();
    const size_t begin = position_;
    while (position_ < text_.size() && is_bare_name_character(text_[position_])) ++position_;
    return text_.substr(begin, position_ - begin);
  }

  bool accept_word(std::string_view wanted) {
    skip_space();
    const size_t begin = position_;
    if (word() == wanted) return true;
    position_ = begin;
    return false;
  }

  Status expect_word(std::string_view wanted) {
    if (accept_word(wanted)) return Status::ok();
    return error("expected '" + std::string(wanted) + "'");
  }

  Result<std::string> quoted() {
    PENSTOCK_RETURN_IF_ERROR(expect('"'));
    std::string out;
    while (position_ < text_.size() && text_[position_] != '"') {
      if (text_[position_] == '\\') ++position_;
      if (position_ < text_.size()) out += text_[position_++];
    }
    if (position_ >= text_.size()) return error("a string without its closing quote");
    ++position_;
    return out;
  }

  Result<std::string> name() {
    if (peek('"')) return quoted();
    const std::string_view bare = word();
    if (bare.empty()) return error("expected a name");
    return std::string(bare);
  }

  // The longest run of letters and digits: where a type may be followed by < or >.
  std::string_view type_word() {
    skip_space();
    const size_t begin = position_;
    while (position_ < text_.size() && std::isalnum(static_cast<unsigned char>(text_[position_]))) {
      ++position_;
    }
    return text_.substr(begin, position_ - begin);
  }

  // The part of "sequence<float32[batch, 3]>" between < and >.
  Result<ElementType> element() {
    PENSTOCK_RETURN_IF_ERROR(expect('<'));
    const size_t begin = position_;
    const std::string_view text = type_word();
    ElementType result;
    if (text == "sequence") {
      PENSTOCK_ASSIGN_OR_RETURN(result, element());
      result.is_sequence = true;
    } else {
      const std::optional<DataType> dtype = parse_data_type(text);
      if (!dtype) return error_at(begin, "no element type '" + std::string(text) + "'");
      result.dtype = *dtype;
      result.rank = ElementType::Rank::kUnset;
      if (accept('[')) {
        result.rank = accept('*') ? ElementType::Rank::kUnknown : ElementType::Rank::kKnown;
        PENSTOCK_ASSIGN_OR_RETURN(result.shape, dims(']'));
      }
    }
    PENSTOCK_RETURN_IF_ERROR(expect('>'));
    return result;
  }

  // "float32[batch, 3]", or a sequence or an optional of such tensors.
  Result<Type> type() {
    skip_space();
    const size_t begin = position_;
    const std::string_view text = type_word();
    const std::optional<DataType> dtype = parse_data_type(text);
    if (!dtype) return error_at(begin, "no element type '" + std::string(text) + "'");
    Type result{*dtype, {}, {}};
    if (*dtype == DataType::kSequence || *dtype == DataType::kOptional) {
      PENSTOCK_ASSIGN_OR_RETURN(result.element, element());
      return result;
    }
    PENSTOCK_RETURN_IF_ERROR(expect('['));
    PENSTOCK_ASSIGN_OR_RETURN(result.shape, dims(']'));
    return result;
  }

  // Extents up to the closing bracket; functions of extents have commas of their own.
  Result<SymbolicShape> dims(char close) {
    SymbolicShape shape;
    while (!accept(close)) {
      if (!shape.empty()) PENSTOCK_RETURN_IF_ERROR(expect(','));
      skip_space();
      const size_t begin = position_;
      int depth = 0;
      while (position_ < text_.size() && text_[position_] != '\n') {
        const char c = text_[position_];
        if (depth == 0 && (c == ',' || c == close)) break;
        if (c == '(') ++depth;
        if (c == ')') --depth;
        ++position_;
      }
      Result<Dim> dim = Dim::parse(text_.substr(begin, position_ - begin));
      if (!dim) return error_at(begin, dim.status().message());
      shape.push_back(*dim);
    }
    return shape;
  }

  // "%name : type", or without a type where inference will find it.
  Result<Value*> definition(bool needs_type) {
    PENSTOCK_RETURN_IF_ERROR(expect('%'));
    const size_t begin = position_;
    PENSTOCK_ASSIGN_OR_RETURN(const std::string value_name, name());
    Type value_type;
    if (accept(':')) {
      PENSTOCK_ASSIGN_OR_RETURN(value_type, type());
    } else if (needs_type) {
      return error("expected ':' and a type");
    }
    if (by_name_.count(value_name) != 0) {
      return error_at(begin, "'%" + value_name + "' is defined twice");
    }
    Value* value = graph_.add_value(value_name, value_type.dtype, std::move(value_type.shape));
    value->element = std::move(value_type.element);
    by_name_.emplace(value_name, value);
    return value;
  }

  Status inputs(Region& region) {
    PENSTOCK_RETURN_IF_ERROR(expect('('));
    while (!accept(')')) {
      if (!region.inputs.empty()) PENSTOCK_RETURN_IF_ERROR(expect(','));
      PENSTOCK_ASSIGN_OR_RETURN(Value * value, definition(true));
      region.inputs.push_back(value);
    }
    return Status::ok();
  }

  // "%name", "_" for an absent one, or a constant.
  Result<Value*> use() {
    if (accept_word("_")) return static_cast<Value*>(nullptr);
    if (accept_word("const")) return constant();
    PENSTOCK_RETURN_IF_ERROR(expect('%'));
    const size_t begin = position_;
    PENSTOCK_ASSIGN_OR_RETURN(const std::string value_name, name());
    const auto it = by_name_.find(value_name);
    if (it == by_name_.end()) return error_at(begin, "'%" + value_name + "' is not defined");
    return it->second;
  }

  Result<Value*> constant() {
    const size_t begin = position_;
    PENSTOCK_ASSIGN_OR_RETURN(const Type constant_type, type());
    Shape shape;
    int64_t count = 1;
    for (const Dim& d : constant_type.shape) {
      if (!d.is_constant() || d.constant() < 0 ||
          __builtin_mul_overflow(count, d.constant(), &count) || count > kMostElements) {
        return error_at(begin, "a constant needs known extents and at most 2^28 elements");
      }
      shape.push_back(d.constant());
    }
    ConstantRef data;
    ++constants_;
    if (accept_word("random")) {
      data = random_constant(constant_type.dtype, shape, constants_);
    } else if (accept('#')) {
      const std::string digits(word());
      data =
          random_constant(constant_type.dtype, shape, std::strtoull(digits.c_str(), nullptr, 16));
    } else {
      PENSTOCK_ASSIGN_OR_RETURN(data, elements(constant_type.dtype, shape));
    }
    if (data == nullptr) return error_at(begin, "constants of this type have no text form");
    return graph_.add_constant("", std::move(data));
  }

  Result<ConstantRef> elements(DataType dtype, const Shape& shape) {
    const size_t begin = position_;
    if (is_floating(dtype)) {
      PENSTOCK_ASSIGN_OR_RETURN(const std::vector<double> list, numbers<double>());
      if (static_cast<int64_t>(list.size()) == element_count(shape)) {
        return constant_of(dtype, shape, list);
      }
    } else if (dtype == DataType::kString) {
      PENSTOCK_ASSIGN_OR_RETURN(const std::vector<std::string> list, strings());
      if (static_cast<int64_t>(list.size()) == element_count(shape)) {
        return make_string_constant(shape, {list.begin(), list.end()});
      }
    } else {
      PENSTOCK_ASSIGN_OR_RETURN(const std::vector<int64_t> list, numbers<int64_t>());
      if (static_cast<int64_t>(list.size()) == element_count(shape)) {
        return constant_of(dtype, shape, list);
      }
    }
    return error_at(begin, "expected " + std::to_string(element_count(shape)) + " elements");
  }

  Result<std::vector<std::string>> strings() {
    PENSTOCK_RETURN_IF_ERROR(expect('['));
    std::vector<std::string> list;
    while (!accept(']')) {
      if (!list.empty()) PENSTOCK_RETURN_IF_ERROR(expect(','));
      PENSTOCK_ASSIGN_OR_RETURN(std::string text, quoted());
      list.push_back(std::move(text));
    }
    return list;
  }

  template <typename T>
  Result<std::vector<T>> numbers() {
    PENSTOCK_RETURN_IF_ERROR(expect('['));
    std::vector<T> list;
    while (!accept(']')) {
      if (!list.empty()) PENSTOCK_RETURN_IF_ERROR(expect(','));
      skip_space();
      const size_t begin = position_;
      T value;
      if (!parse_whole(std::string(word()), value)) return error_at(begin, "expected a number");
      list.push_back(value);
    }
    return list;
  }

  Result<Attribute> attribute_value() {
    if (peek('"')) {
      PENSTOCK_ASSIGN_OR_RETURN(std::string text, quoted());
      return Attribute(std::move(text));
    }
    if (accept('{')) {
      PENSTOCK_ASSIGN_OR_RETURN(SymbolicShape shape, dims('}'));
      return Attribute(std::move(shape));
    }
    if (accept('[')) return attribute_list();
    return scalar();
  }

  // 3 is an integer, 3f a float: the text of "inf" and "nan" ends in two f.
  Result<Attribute> scalar() {
    skip_space();
    const size_t begin = position_;
    std::string text(word());
    int64_t integer = 0;
    if (parse_whole(text, integer)) return Attribute(integer);
    double real = 0;
    if (!text.empty() && text.back() == 'f') {
      text.pop_back();
      if (parse_whole(text, real)) return Attribute(static_cast<float>(real));
    }
    return error_at(begin, "expected an attribute: 3, 0.5f, \"text\", [list] or {extents}");
  }

  Result<Attribute> attribute_list() {
    if (accept(']')) return Attribute(std::vector<int64_t>{});
    std::vector<Attribute> items;
    do {
      if (peek('"')) {
        PENSTOCK_ASSIGN_OR_RETURN(std::string text, quoted());
        items.emplace_back(std::move(text));
      } else {
        PENSTOCK_ASSIGN_OR_RETURN(Attribute item, scalar());
        items.push_back(std::move(item));
      }
      if (items.back().index() != items.front().index()) {
        return error("a list of attributes of different types");
      }
    } while (accept(','));
    PENSTOCK_RETURN_IF_ERROR(expect(']'));
    if (std::holds_alternative<int64_t>(items.front())) return list_of<int64_t>(items);
    if (std::holds_alternative<float>(items.front())) return list_of<float>(items);
    return list_of<std::string>(items);
  }

  template <typename T>
  static Attribute list_of(const std::vector<Attribute>& items) {
    std::vector<T> list;
    for (const Attribute& item : items) list.push_back(std::get<T>(item));
    return list;
  }

  Status attributes(Node& node) {
    if (!accept('{')) return Status::ok();
    do {
      PENSTOCK_ASSIGN_OR_RETURN(const std::string attribute, name());
      PENSTOCK_RETURN_IF_ERROR(expect('='));
      PENSTOCK_ASSIGN_OR_RETURN(Attribute value, attribute_value());
      node.attributes.set(attribute, std::move(value));
    } while (accept(','));
    return expect('}');
  }

  Status node(Region& region) {
    Node node;
    do {
      if (accept_word("_")) {
        node.outputs.push_back(nullptr);
        continue;
      }
      PENSTOCK_ASSIGN_OR_RETURN(Value * value, definition(false));
      node.outputs.push_back(value);
      if (node.name.empty()) node.name = value->name;
    } while (accept(','));
    PENSTOCK_RETURN_IF_ERROR(expect('='));
    PENSTOCK_ASSIGN_OR_RETURN(node.op, name());
    PENSTOCK_RETURN_IF_ERROR(expect('('));
    while (!accept(')')) {
      if (!node.inputs.empty()) PENSTOCK_RETURN_IF_ERROR(expect(','));
      PENSTOCK_ASSIGN_OR_RETURN(Value * value, use());
      node.inputs.push_back(value);
    }
    PENSTOCK_RETURN_IF_ERROR(attributes(node));
    while (accept_word("region")) {
      node.regions.push_back(std::make_unique<Region>());
      PENSTOCK_RETURN_IF_ERROR(inputs(*node.regions.back()));
      PENSTOCK_RETURN_IF_ERROR(body(*node.regions.back()));
    }
    node.origins = {node.name};
    graph_.append(region, std::move(node));
    return Status::ok();
  }

  Status body(Region& region) {
    if (++depth_ > kDeepestRegion) return error("regions nested too deep");
    PENSTOCK_RETURN_IF_ERROR(expect('{'));
    while (!accept_word("return")) PENSTOCK_RETURN_IF_ERROR(node(region));
    while (!accept('}')) {
      if (!region.outputs.empty()) PENSTOCK_RETURN_IF_ERROR(expect(','));
      PENSTOCK_ASSIGN_OR_RETURN(Value * value, use());
      region.outputs.push_back(value);
    }
    --depth_;
    return Status::ok();
  }

  std::string_view text_;
  size_t position_ = 0;
  int depth_ = 0;
  uint64_t constants_ = 0;
  Graph graph_;
  std::unordered_map<std::string, Value*> by_name_;
};

}  // namespace

Result<Graph> parse_text(std::string_view text) { return Parser(text).parse(); }

}  // namespace penstock::ir
