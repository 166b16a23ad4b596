// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "plan/program.h"

namespace penstock::plan {
namespace {

using ir::Attribute;
using ir::Attributes;
using ir::Dim;
using ir::ElementType;
using ir::SymbolicShape;
using nlohmann::json;

json write(const SymbolicShape& shape) {
  json array = json::array();
  for (const Dim& d : shape) {
    if (d.is_constant()) {
      array.push_back(d.constant());
    } else {
      array.push_back(d.to_string());
    }
  }
  return array;
}

// nlohmann would convert a float, whatever its size, and cut off what does not fit.
template <typename T>
T read_integer(const json& item) {
  if (item.is_number_unsigned()) {
    const auto value = item.get<uint64_t>();
    if (std::in_range<T>(value)) return static_cast<T>(value);
  } else if (item.is_number_integer()) {
    const auto value = item.get<int64_t>();
    if (std::in_range<T>(value)) return static_cast<T>(value);
  }
  throw json::other_error::create(599, item.dump() + " is no integer in range", nullptr);
}

template <typename T>
T read_integer(const json& object, const char* name, T otherwise) {
  return object.contains(name) ? read_integer<T>(object.at(name)) : otherwise;
}

template <typename T>
std::vector<T> read_integers(const json& array) {
  if (!array.is_array()) throw json::other_error::create(599, "no list of integers", nullptr);
  std::vector<T> values;
  for (const json& item : array) values.push_back(read_integer<T>(item));
  return values;
}

// Files are not trusted: nlohmann throws on wrong types, parse failures throw here; read() is only
// called under contents_from_json's catch.
SymbolicShape read_shape(const json& array) {
  SymbolicShape shape;
  for (const json& item : array) {
    if (item.is_string()) {
      Result<Dim> dim = Dim::parse(item.get_ref<const std::string&>());
      if (!dim.is_ok()) throw json::other_error::create(599, dim.status().message(), nullptr);
      shape.push_back(*std::move(dim));
    } else {
      shape.emplace_back(read_integer<int64_t>(item));
    }
  }
  return shape;
}

// JSON has no infinities: those three values stand as text.
json write_float(float value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

float read_float(const json& item) {
  if (!item.is_string()) return item.get<float>();
  const auto& text = item.get_ref<const std::string&>();
  if (text == "nan") return std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  return text == "-inf" ? -infinity : infinity;
}

json write_floats(const std::vector<float>& values) {
  json array = json::array();
  for (float value : values) array.push_back(write_float(value));
  return array;
}

std::vector<float> read_floats(const json& array) {
  std::vector<float> values;
  for (const json& item : array) values.push_back(read_float(item));
  return values;
}

json write_value(int64_t value) { return value; }
json write_value(float value) { return write_float(value); }
json write_value(const std::string& value) { return value; }
json write_value(const std::vector<int64_t>& value) { return value; }
json write_value(const std::vector<float>& value) { return write_floats(value); }
json write_value(const std::vector<std::string>& value) { return value; }
json write_value(const SymbolicShape& value) { return write(value); }

// The variant's index tells the type back: {"axis": [0, 1]} is alternative 0, an integer.
json write(const Attributes& attributes) {
  json object = json::object();
  for (const auto& [name, value] : attributes.all()) {
    json item = json::array({value.index()});
    item.push_back(std::visit([](const auto& v) { return write_value(v); }, value));
    object[name] = std::move(item);
  }
  return object;
}

Attribute read_attribute(const json& item) {
  const json& value = item.at(1);
  switch (read_integer<size_t>(item.at(0))) {
    case 0: return read_integer<int64_t>(value);
    case 1: return read_float(value);
    case 2: return value.get<std::string>();
    case 3: return read_integers<int64_t>(value);
    case 4: return read_floats(value);
    case 5: return value.get<std::vector<std::string>>();
    case 6: return read_shape(value);
    default: throw json::other_error::create(599, "unknown kind of attribute", nullptr);
  }
}

json write(const ElementType& element) {
  json object = {{"type", std::string(to_string(element.dtype))}};
  if (element.is_sequence) object["sequence"] = true;
  if (element.rank == ElementType::Rank::kKnown) object["shape"] = write(element.shape);
  if (element.rank == ElementType::Rank::kUnknown) object["shape"] = "*";
  return object;
}

ElementType read_element(const json& object) {
  ElementType element;
  element.dtype =
      parse_data_type(object.at("type").get<std::string>()).value_or(DataType::kUndefined);
  if (size_of(element.dtype) == 0) {
    throw json::other_error::create(599, "unknown type of element", nullptr);
  }
  element.is_sequence = object.value("sequence", false);
  element.rank = ElementType::Rank::kUnset;
  if (!object.contains("shape")) return element;
  const json& shape = object.at("shape");
  element.rank = shape.is_string() ? ElementType::Rank::kUnknown : ElementType::Rank::kKnown;
  if (!shape.is_string()) element.shape = read_shape(shape);
  return element;
}

json write(const InputContract& contract) {
  json object = {{"min", contract.min},
                 {"max", contract.max},
                 {"given", contract.source == InputContract::Source::kGiven}};
  if (!contract.mean.empty()) object["mean"] = contract.mean;
  if (!contract.deviation.empty()) object["deviation"] = contract.deviation;
  return object;
}

InputContract read_contract(const json& object) {
  InputContract contract;
  contract.min = object.at("min").get<double>();
  contract.max = object.at("max").get<double>();
  contract.source = object.at("given").get<bool>() ? InputContract::Source::kGiven
                                                   : InputContract::Source::kCalibration;
  contract.mean = object.value("mean", std::vector<double>());
  contract.deviation = object.value("deviation", std::vector<double>());
  return contract;
}

json write(const Slot& slot) {
  json object = {{"name", slot.name},
                 {"kind", static_cast<int>(slot.kind)},
                 {"type", std::string(to_string(slot.dtype))},
                 {"shape", write(slot.shape)}};
  if (slot.layout != ir::Layout::kPlain) object["layout"] = std::string(ir::to_string(slot.layout));
  if (slot.kind == Slot::Kind::kConstant) {
    object["offset"] = slot.offset;
    object["bytes"] = slot.bytes;
    if (!slot.format.empty()) object["format"] = slot.format;
  }
  if (slot.kind == Slot::Kind::kView) object["view_of"] = slot.view_of;
  if (slot.element) object["element"] = write(*slot.element);
  if (slot.on_device) object["on_device"] = true;
  if (!slot.contents.empty()) object["contents"] = write(slot.contents);
  if (slot.contract) object["contract"] = write(*slot.contract);
  return object;
}

Slot read_slot(const json& object) {
  Slot slot;
  slot.name = object.at("name").get<std::string>();
  const int kind = read_integer<int>(object.at("kind"));
  if (kind < 0 || kind > static_cast<int>(Slot::Kind::kView)) {
    throw json::other_error::create(599, "unknown kind of slot", nullptr);
  }
  slot.kind = static_cast<Slot::Kind>(kind);
  slot.dtype = parse_data_type(object.at("type").get<std::string>()).value_or(DataType::kUndefined);
  slot.shape = read_shape(object.at("shape"));
  const auto layout = ir::parse_layout(object.value("layout", "plain"));
  if (!layout) throw json::other_error::create(599, "unknown layout", nullptr);
  slot.layout = *layout;
  slot.offset = read_integer<uint64_t>(object, "offset", 0);
  slot.bytes = read_integer<uint64_t>(object, "bytes", 0);
  slot.format = object.value("format", "");
  slot.view_of = read_integer<int>(object, "view_of", -1);
  slot.on_device = object.value("on_device", false);
  if (object.contains("element")) slot.element = read_element(object.at("element"));
  if (object.contains("contents")) slot.contents = read_shape(object.at("contents"));
  if (object.contains("contract")) slot.contract = read_contract(object.at("contract"));
  return slot;
}

json write(const Step& step) {
  return {{"op", step.op},
          {"name", step.name},
          {"tactic", step.tactic},
          {"config", step.config},
          {"attributes", write(step.attributes)},
          {"inputs", step.inputs},
          {"outputs", step.outputs},
          {"bodies", step.bodies},
          {"origins", step.origins}};
}

Step read_step(const json& object) {
  Step step;
  step.op = object.at("op").get<std::string>();
  step.name = object.at("name").get<std::string>();
  step.tactic = object.at("tactic").get<std::string>();
  step.config = object.at("config").get<std::string>();
  for (const auto& [name, item] : object.at("attributes").items()) {
    step.attributes.set(name, read_attribute(item));
  }
  step.inputs = read_integers<int>(object.at("inputs"));
  step.outputs = read_integers<int>(object.at("outputs"));
  step.bodies = read_integers<int>(object.at("bodies"));
  step.origins = object.at("origins").get<std::vector<std::string>>();
  return step;
}

template <typename Range>
json write_ranges(const std::map<std::string, Range>& ranges) {
  json object = json::object();
  for (const auto& [name, range] : ranges) {
    object[name] = {{"min", range.min}, {"opt", range.opt}, {"max", range.max}};
  }
  return object;
}

json write(const OptimizationProfile& profile) {
  return {{"inputs", write_ranges(profile.inputs)}, {"values", write_ranges(profile.values)}};
}

std::vector<int64_t> read_numbers(const json& item) { return read_integers<int64_t>(item); }

template <typename Range>
void read_ranges(const json& object, std::map<std::string, Range>& ranges) {
  for (const auto& [name, item] : object.items()) {
    ranges[name] = {read_numbers(item.at("min")), read_numbers(item.at("opt")),
                    read_numbers(item.at("max"))};
  }
}

OptimizationProfile read_profile(const json& object) {
  OptimizationProfile profile;
  read_ranges(object.at("inputs"), profile.inputs);
  read_ranges(object.at("values"), profile.values);
  return profile;
}

Program read_program(const json& object) {
  Program program;
  program.profile = read_profile(object.at("profile"));
  for (const json& item : object.at("slots")) program.slots.push_back(read_slot(item));
  for (const json& item : object.at("bodies")) {
    Body body;
    body.inputs = read_integers<int>(item.at("inputs"));
    body.outputs = read_integers<int>(item.at("outputs"));
    for (const json& step : item.at("steps")) body.steps.push_back(read_step(step));
    program.bodies.push_back(std::move(body));
  }
  return program;
}

Contents read_contents(const json& object) {
  Contents contents;
  contents.model_name = object.at("model").get<std::string>();
  contents.backend = object.at("backend").get<std::string>();
  contents.instruction_set = object.at("instruction_set").get<std::string>();
  contents.fingerprint = object.at("fingerprint").get<std::string>();
  contents.threads = read_integer<int>(object.at("threads"));
  for (const json& item : object.at("programs")) contents.programs.push_back(read_program(item));
  return contents;
}

json write(const Program& program) {
  json slots = json::array();
  for (const Slot& slot : program.slots) slots.push_back(write(slot));
  json bodies = json::array();
  for (const Body& body : program.bodies) {
    json steps = json::array();
    for (const Step& step : body.steps) steps.push_back(write(step));
    bodies.push_back(
        {{"inputs", body.inputs}, {"outputs", body.outputs}, {"steps", std::move(steps)}});
  }
  return {{"profile", write(program.profile)},
          {"slots", std::move(slots)},
          {"bodies", std::move(bodies)}};
}

}  // namespace

std::string to_json(const Contents& contents) {
  json programs = json::array();
  for (const Program& program : contents.programs) programs.push_back(write(program));
  const json object = {{"model", contents.model_name},
                       {"backend", contents.backend},
                       {"instruction_set", contents.instruction_set},
                       {"fingerprint", contents.fingerprint},
                       {"threads", contents.threads},
                       {"programs", std::move(programs)}};
  // Names come from models and need not be valid UTF-8: replace what JSON cannot hold.
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<Contents> contents_from_json(std::string_view text) {
  try {
    return read_contents(json::parse(text));
  } catch (const json::exception& e) {
    return Status(StatusCode::kInvalidPlan,
                  std::string("the plan's program is unreadable: ") + e.what());
  }
}

}  // namespace penstock::plan
