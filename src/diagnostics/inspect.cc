// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <penstock/diagnostics.h>

#include <nlohmann/json.hpp>

#include "base/memory_guard.h"
#include "import/import.h"
#include "ops/cpu_tactics.h"
#include "passes/pipeline.h"
#include "runtime/engine_state.h"

namespace penstock {
namespace {

using nlohmann::json;
using plan::Program;
using plan::Slot;
using plan::Step;

json describe(const std::string& name, DataType dtype, const ir::SymbolicShape& shape,
              const std::optional<ir::ElementType>& element) {
  std::string type(penstock::to_string(dtype));
  if (element) {
    type += "<" + ir::to_string(*element) + ">";
    return {{"name", name}, {"type", type}, {"kind", "handle"}, {"shape", json::array()}};
  }
  json dims = json::array();
  for (const ir::Dim& d : shape) {
    if (d.is_constant()) {
      dims.push_back(d.constant());
    } else {
      dims.push_back(d.to_string());
    }
  }
  return {{"name", name}, {"type", type}, {"shape", std::move(dims)}};
}

json describe(const InputContract& contract) {
  const bool is_given = contract.source == InputContract::Source::kGiven;
  json item = {
      {"min", contract.min}, {"max", contract.max}, {"source", is_given ? "given" : "calibration"}};
  if (!contract.mean.empty()) item["mean"] = contract.mean;
  if (!contract.deviation.empty()) item["std"] = contract.deviation;
  return item;
}

json describe_slots(const Program& program, const std::vector<int>& slots) {
  json array = json::array();
  for (int slot : slots) {
    if (slot < 0) continue;
    const Slot& facts = program.slots[slot];
    json item = describe(facts.name, facts.dtype, facts.shape, facts.element);
    item["layout"] = std::string(ir::to_string(facts.layout));
    if (facts.kind == Slot::Kind::kConstant) item["constant"] = true;
    if (facts.contract) item["expected"] = describe(*facts.contract);
    if (!facts.format.empty()) item["format"] = facts.format;
    array.push_back(std::move(item));
  }
  return array;
}

json describe_step(const Program& program, const Step& step, const std::string& device) {
  json item = {{"name", step.name},
               {"op", step.op},
               {"tactic", step.tactic},
               {"device", device},
               {"inputs", describe_slots(program, step.inputs)},
               {"outputs", describe_slots(program, step.outputs)},
               {"onnx_nodes", step.origins}};
  if (!step.config.empty()) item["config"] = step.config;
  const std::string attributes = ir::to_string(step.attributes);
  if (!attributes.empty()) item["attributes"] = attributes;
  for (int slot : step.outputs) {
    if (slot < 0) continue;
    item["precision"] = std::string(penstock::to_string(program.slots[slot].dtype));
    if (step.config.substr(0, 5) == "tf32:") item["precision"] = "tf32";
    item["layout"] = std::string(ir::to_string(program.slots[slot].layout));
    break;
  }
  return item;
}

// Values of the input symbols at the profile's opt shapes and opt values.
std::vector<int64_t> opt_symbols(const runtime::ProgramState& state) {
  const Program& program = state.program();
  std::vector<int64_t> symbols(state.dims().symbol_count(), plan::DimTable::kUnknown);
  for (size_t input = 0; input < state.main().inputs.size(); ++input) {
    const int slot = state.main().inputs[input];
    const std::vector<int>& values = state.value_symbols()[input];
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] >= 0)
        symbols[values[i]] = program.profile.values.at(program.slots[slot].name).opt[i];
    }
    const auto range = program.profile.inputs.find(program.slots[slot].name);
    if (range == program.profile.inputs.end()) continue;
    const std::vector<int>& dims = state.slot_dims()[slot];
    for (size_t i = 0; i < dims.size(); ++i) {
      const int symbol = state.dims().bare_symbol(dims[i]);
      if (symbol >= 0) symbols[symbol] = range->second.opt[i];
    }
  }
  return symbols;
}

// A number for each element or extent; null stands for no limit of a value.
template <typename Range>
json describe_ranges(const std::map<std::string, Range>& ranges) {
  json object = json::object();
  for (const auto& [name, range] : ranges) {
    json max = range.max;
    for (json& value : max) {
      if (value == ValueRange::kNoLimit) value = nullptr;
    }
    object[name] = {{"min", range.min}, {"opt", range.opt}, {"max", std::move(max)}};
  }
  return object;
}

// Times and candidates of the build report joined to the layers they belong to.
void join_report(json& layers, const json& report) {
  if (!report.contains("layers")) return;
  for (size_t i = 0; i < layers.size() && i < report["layers"].size(); ++i) {
    layers[i]["us"] = report["layers"][i].value("us", 0.0);
    layers[i]["candidates"] = report["layers"][i].value("candidates", json::array());
  }
}

std::string to_text(const json& facts) {
  return facts.dump(1, ' ', false, json::error_handler_t::replace);
}

// A profile and the program that was tuned for it.
Result<json> describe_profile(runtime::ProgramState& state, const plan::Contents& contents,
                              const json& report) {
  const Program& program = state.program();
  PENSTOCK_ASSIGN_OR_RETURN(const auto binding, state.bind(opt_symbols(state), contents.threads));
  json layers = json::array();
  for (size_t i = 0; i < state.main().steps.size(); ++i) {
    const bool is_host = !state.steps(0)[i].on_device;
    layers.push_back(
        describe_step(program, state.main().steps[i], is_host ? "cpu" : contents.backend));
  }
  join_report(layers, report);
  size_t body_steps = 0;
  for (size_t b = 1; b < program.bodies.size(); ++b) body_steps += program.bodies[b].steps.size();
  return json{{"profile", describe_ranges(program.profile.inputs)},
              {"values", describe_ranges(program.profile.values)},
              {"memory",
               {{"peak_bytes", binding->arena_bytes + binding->device_arena_bytes},
                {"all_activations_bytes", binding->activation_bytes}}},
              {"kernel_count", layers.size() + body_steps},
              {"layers", std::move(layers)}};
}

Result<std::string> inspect(Result<plan::PlanFile> opened, const std::string& path) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::shared_ptr<runtime::EngineState> engine,
                            runtime::EngineState::open([&] { return std::move(opened); }));
  const json report = json::parse(engine->file().report(), nullptr, false);
  const plan::Contents& contents = engine->contents();
  const json reports = report.is_object() ? report.value("profiles", json::array()) : json::array();
  json profiles = json::array();
  for (size_t i = 0; i < engine->profile_count(); ++i) {
    PENSTOCK_ASSIGN_OR_RETURN(json profile,
                              describe_profile(engine->program(i), contents,
                                               i < reports.size() ? reports[i] : json::object()));
    profiles.push_back(std::move(profile));
  }
  const Program& first = contents.programs.front();
  json facts = {
      {"file", path},
      {"kind", "plan"},
      {"model", contents.model_name},
      {"device", contents.fingerprint},
      {"instruction_set", contents.instruction_set},
      {"threads", contents.threads},
      {"concurrent_contexts", report.is_object() ? report.value("concurrent_contexts", 1) : 1},
      {"file_bytes", engine->file().file_bytes()},
      {"weight_bytes", engine->file().constants_bytes()},
      {"inputs", describe_slots(first, first.bodies[0].inputs)},
      {"outputs", describe_slots(first, first.bodies[0].outputs)},
      {"onnx_node_count", report.is_object() ? report.value("onnx_nodes", 0) : 0}};
  facts.update(profiles.front());
  facts["profiles"] = std::move(profiles);
  return to_text(facts);
}

Result<std::string> inspect(Result<ir::Graph> imported, const std::string& path) {
  PENSTOCK_ASSIGN_OR_RETURN(ir::Graph graph, std::move(imported));
  PENSTOCK_RETURN_IF_ERROR(passes::run_pipeline(graph, {}));
  const auto describe_values = [](const std::vector<ir::Value*>& values) {
    json array = json::array();
    for (const ir::Value* value : values) {
      if (value == nullptr) continue;
      array.push_back(describe(value->name, value->dtype, value->shape, value->element));
    }
    return array;
  };
  json layers = json::array();
  for (const ir::Node& node : graph.main.nodes) {
    layers.push_back({{"name", node.name},
                      {"op", node.op},
                      {"attributes", ir::to_string(node.attributes)},
                      {"inputs", describe_values(node.inputs)},
                      {"outputs", describe_values(node.outputs)},
                      {"onnx_nodes", node.origins}});
  }
  return to_text({{"file", path},
                  {"kind", "model"},
                  {"model", graph.name},
                  {"inputs", describe_values(graph.main.inputs)},
                  {"outputs", describe_values(graph.main.outputs)},
                  {"onnx_node_count", graph.onnx_node_count},
                  {"kernel_count", layers.size()},
                  {"layers", std::move(layers)}});
}

}  // namespace

Result<std::string> inspect_plan(const std::filesystem::path& plan_path) {
  return inspect(plan::PlanFile::open(plan_path), plan_path.string());
}

Result<std::string> inspect_plan(const Plan& plan) {
  return inspect(plan::PlanFile::from_memory(plan), "");
}

Result<std::string> inspect_model(const std::filesystem::path& onnx_path) {
  return guard_memory(
      "this model", [&] { return inspect(importer::import_onnx(onnx_path), onnx_path.string()); });
}

Result<std::string> inspect_model(const OnnxBytes& onnx) {
  return guard_memory("this model", [&] {
    return inspect(importer::import_onnx_from_memory(onnx.bytes, onnx.folder), "");
  });
}

}  // namespace penstock
