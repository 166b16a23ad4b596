// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/onednn/primitive_kernel.h"

#include "backends/cpu/cpu_stream.h"

namespace penstock::backends::onednn {

using dnnl::memory;
using Source = Argument::Source;

Argument input_argument(int id, const memory::desc& desc, size_t input) {
  return {id, desc, Source::kInput, input, nullptr};
}

Argument output_argument(int id, const memory::desc& desc) {
  return {id, desc, Source::kOutput, 0, nullptr};
}

// oneDNN's handles for one context: memory objects that hold addresses, and their C argument lists.
class PrimitiveKernel::State : public KernelState {
 public:
  explicit State(const PrimitiveKernel& kernel) : stream_(engine()) {
    for (const Step& step : kernel.steps_) {
      std::vector<memory>& memories = memories_.emplace_back();
      std::vector<dnnl_exec_arg_t>& arguments = arguments_.emplace_back();
      for (const Argument& argument : step.arguments) {
        memories.emplace_back(argument.desc, engine(), argument.data);
        arguments.push_back({argument.id, memories.back().get()});
      }
    }
  }

  dnnl_status_t execute(const Step& step, size_t index, const KernelRun& run, void* output) {
    for (size_t i = 0; i < step.arguments.size(); ++i) {
      const Argument& argument = step.arguments[i];
      void* data = nullptr;
      switch (argument.source) {
        case Source::kInput: data = run.input(argument.index).data; break;
        case Source::kOutput: data = output; break;
        case Source::kWorkspace:
          data = static_cast<std::byte*>(run.workspace()) + argument.index;
          break;
        case Source::kConstant: continue;
      }
      const dnnl_status_t status = dnnl_memory_set_data_handle(arguments_[index][i].memory, data);
      if (status != dnnl_success) return status;
    }
    return dnnl_primitive_execute(step.primitive.get(), stream_.get(),
                                  static_cast<int>(arguments_[index].size()),
                                  arguments_[index].data());
  }

 private:
  dnnl::stream stream_;
  std::vector<std::vector<memory>> memories_;
  std::vector<std::vector<dnnl_exec_arg_t>> arguments_;
};

void PrimitiveKernel::add(dnnl::primitive primitive, std::vector<Argument> arguments,
                          const memory::desc& scratchpad) {
  const size_t bytes = scratchpad ? scratchpad.get_size() : 0;
  if (bytes > 0) {
    // Scratch is dead after its primitive, but tensors between primitives are not: no sharing.
    arguments.push_back(
        {DNNL_ARG_SCRATCHPAD, scratchpad, Source::kWorkspace, reserve(bytes), nullptr});
  }
  steps_.push_back({std::move(primitive), std::move(arguments)});
}

size_t PrimitiveKernel::reserve(size_t bytes) {
  constexpr size_t kAlignment = 64;
  const size_t offset = workspace_bytes_;
  workspace_bytes_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return offset;
}

Argument PrimitiveKernel::input_as(int id, size_t input, const void* data,
                                   const memory::desc& given, const memory::desc& wanted) {
  if (given == wanted) return input_argument(id, given, input);
  if (data != nullptr) {
    constants_.push_back(reorder_constant(data, given, wanted));
    return {id, wanted, Source::kConstant, 0, const_cast<std::byte*>(constants_.back()->data)};
  }
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const dnnl::reorder::primitive_desc reorder(engine(), given, engine(), wanted, attributes);
  const Argument target{id, wanted, Source::kWorkspace, reserve(wanted.get_size()), nullptr};
  Argument to = target;
  to.id = DNNL_ARG_TO;
  add(dnnl::reorder(reorder), {input_argument(DNNL_ARG_FROM, given, input), to},
      reorder.scratchpad_desc());
  return target;
}

Argument PrimitiveKernel::constant(int id, const memory::desc& desc, const void* data) {
  constants_.push_back(
      ir::make_constant(DataType::kUInt8, {static_cast<int64_t>(desc.get_size())}, data));
  return {id, desc, Source::kConstant, 0, const_cast<std::byte*>(constants_.back()->data)};
}

Argument PrimitiveKernel::scratch(int id, const memory::desc& desc) {
  return {id, desc, Source::kWorkspace, reserve(desc.get_size()), nullptr};
}

std::unique_ptr<KernelState> PrimitiveKernel::create_state() const {
  auto state =
      guarded([&] { return std::unique_ptr<KernelState>(std::make_unique<State>(*this)); });
  return state.is_ok() ? std::move(*state) : nullptr;
}

Status PrimitiveKernel::run(KernelRun& run) const {
  auto* state = static_cast<State*>(run.state());
  if (state == nullptr) return {StatusCode::kOutOfMemory, "oneDNN: no memory for its handles"};
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView output, run.output(0, output_shape_));
  team_of(run.stream()).enter();
  for (size_t i = 0; i < steps_.size(); ++i) {
    const dnnl_status_t status = state->execute(steps_[i], i, run, output.data);
    if (status != dnnl_success) {
      return {StatusCode::kInternal, "oneDNN: executing a primitive failed with status " +
                                         std::to_string(static_cast<int>(status))};
    }
  }
  return Status::ok();
}

ir::ConstantRef reorder_constant(const void* data, const memory::desc& from,
                                 const memory::desc& to) {
  ir::ConstantRef packed =
      ir::make_constant(DataType::kUInt8, {static_cast<int64_t>(to.get_size())}, nullptr);
  memory source(from, engine(), const_cast<void*>(data));
  memory target(to, engine(), const_cast<std::byte*>(packed->data));
  dnnl::stream stream(engine());
  dnnl::reorder(source, target).execute(stream, source, target);
  stream.wait();
  return packed;
}

}  // namespace penstock::backends::onednn
