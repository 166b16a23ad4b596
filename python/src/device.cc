// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <penstock/device.h>

#include "bindings.h"
#include "errors.h"

namespace penstock::python {
namespace {

// Addresses and handles of streams are integers.
void* pointer(uint64_t address) { return reinterpret_cast<void*>(address); }
uint64_t address_of(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

// Calls without the interpreter's lock, raises what came of it.
template <typename Call>
auto unlocked(Call&& call) {
  using Answer = decltype(call());
  std::optional<Answer> answer;
  {
    nb::gil_scoped_release release;
    answer.emplace(call());
  }
  if constexpr (std::is_same_v<Answer, Status>) {
    check(*answer);
  } else {
    return take(*std::move(answer));
  }
}

void bind_buffer(nb::module_& module) {
  nb::class_<Buffer>(module, "Buffer", nb::is_weak_referenceable(),
                     "Memory of a device, or page-locked memory of the host, freed with this "
                     "object; made by Device.allocate() and allocate_host().")
      .def_prop_ro("address", [](const Buffer& self) { return address_of(self.data()); })
      .def_prop_ro("nbytes", &Buffer::bytes)
      .def("__int__", [](const Buffer& self) { return address_of(self.data()); })
      .def("__index__", [](const Buffer& self) { return address_of(self.data()); });
}

void bind_stream(nb::module_& module) {
  nb::class_<PyStream>(module, "Stream",
                       "An in-order queue of a device; made by Engine.create_stream(), "
                       "Device.create_stream() and Device.wrap_stream().")
      .def_prop_ro("threads", [](PyStream& self) { return self.get().threads(); })
      .def_prop_ro(
          "device", [](PyStream& self) { return self.get().device(); }, "'cuda:0'")
      .def_prop_ro(
          "handle", [](PyStream& self) { return address_of(self.get().native_handle()); },
          "The cudaStream_t as an integer; 0 on the CPU, and for the default stream of a GPU.")
      .def_prop_ro(
          "is_done", [](PyStream& self) { return unlocked([&] { return self.get().is_done(); }); },
          "False while something enqueued is not done.")
      .def(
          "wait_for",
          [](PyStream& self, const Event& event) {
            unlocked([&] { return self.get().wait_for(event); });
          },
          nb::arg("event"),
          "What is enqueued from here on runs after the point where the event was recorded last.")
      .def(
          "synchronize", [](PyStream& self) { unlocked([&] { return self.get().synchronize(); }); },
          "Waits until everything enqueued so far is done.");
}

void bind_event(nb::module_& module) {
  nb::class_<Event>(module, "Event",
                    "A point in the order of a stream, and when it was reached; made by "
                    "Device.create_event().")
      .def(
          "record",
          [](Event& self, PyStream& stream) {
            unlocked([&] { return self.record(stream.get()); });
          },
          nb::arg("stream"), "Moves the point behind what the stream holds.")
      .def(
          "synchronize", [](Event& self) { unlocked([&] { return self.wait(); }); },
          "Waits for the point; at once where none was recorded.")
      .def_prop_ro("is_reached",
                   [](Event& self) { return unlocked([&] { return self.is_reached(); }); })
      .def(
          "elapsed_ms",
          [](const Event& self, const Event& earlier) {
            return unlocked([&] { return self.elapsed_ms(earlier); });
          },
          nb::arg("earlier"), "Milliseconds from the earlier event to this one; waits for both.");
}

Device open(const std::string& name) {
  return unlocked([&] { return Device::open(name); });
}

void bind_copies(nb::class_<Device>& device) {
  device
      .def(
          "copy_in",
          [](const Device& self, uint64_t to, uint64_t from, size_t bytes, PyStream& stream) {
            unlocked([&] { return self.copy_in(pointer(to), pointer(from), bytes, stream.get()); });
          },
          nb::arg("device_address"), nb::arg("host_address"), nb::arg("nbytes"), nb::arg("stream"),
          "Copies from the host in the stream's order. Returns at once, or, for memory of the host "
          "that is not page-locked, when it may be changed.")
      .def(
          "copy_out",
          [](const Device& self, uint64_t to, uint64_t from, size_t bytes, PyStream& stream) {
            unlocked(
                [&] { return self.copy_out(pointer(to), pointer(from), bytes, stream.get()); });
          },
          nb::arg("host_address"), nb::arg("device_address"), nb::arg("nbytes"), nb::arg("stream"),
          "Copies to the host in the stream's order.")
      .def(
          "copy_within",
          [](const Device& self, uint64_t to, uint64_t from, size_t bytes, PyStream& stream) {
            unlocked(
                [&] { return self.copy_within(pointer(to), pointer(from), bytes, stream.get()); });
          },
          nb::arg("to_address"), nb::arg("from_address"), nb::arg("nbytes"), nb::arg("stream"),
          "Copies from the device's memory to the device's memory.")
      .def(
          "fill",
          [](const Device& self, uint64_t to, int value, size_t bytes, PyStream& stream) {
            const auto byte = static_cast<uint8_t>(value);
            unlocked([&] { return self.fill(pointer(to), byte, bytes, stream.get()); });
          },
          nb::arg("address"), nb::arg("value"), nb::arg("nbytes"), nb::arg("stream"),
          "Sets every byte.");
}

template <typename Part>
auto fact(Part DeviceInfo::*part) {
  return [part](const Device& self) { return take(self.info()).*part; };
}

void bind_memory(nb::module_& module) {
  nb::class_<DeviceMemory>(module, "DeviceMemory",
                           "Bytes of a device's memory; made by Device.memory(). What this process "
                           "holds is what it took through Penstock.")
      .def_ro("total", &DeviceMemory::total)
      .def_ro("free", &DeviceMemory::free, "Now, for all processes together.")
      .def_ro("held", &DeviceMemory::held, "By this process: the sum of the five uses.")
      .def_ro("peak", &DeviceMemory::peak,
              "Most held at once, since the start or reset_peak_memory().")
      .def_ro("limit", &DeviceMemory::limit, "Of what is held; 0: none.")
      .def_ro("weights", &DeviceMemory::weights, "Of engines.")
      .def_ro("scratch", &DeviceMemory::scratch,
              "Values between the steps of contexts, and workspace.")
      .def_ro("tensors", &DeviceMemory::tensors, "Inputs and outputs that contexts keep.")
      .def_ro("tuning", &DeviceMemory::tuning, "Of builds.")
      .def_ro("buffers", &DeviceMemory::buffers, "Of the application.")
      .def_ro("page_locked", &DeviceMemory::page_locked,
              "Of the host, for copies to and from the device; under no limit.")
      .def("__repr__", [](const DeviceMemory& self) {
        return "<penstock.DeviceMemory: " + std::to_string(self.held) + " bytes held, peak " +
               std::to_string(self.peak) + ", limit " + std::to_string(self.limit) + ">";
      });
}

}  // namespace

void bind_device(nb::module_& module) {
  bind_buffer(module);
  bind_memory(module);
  bind_event(module);
  bind_stream(module);
  nb::class_<Device> device(module, "Device",
                            "A device: its memory, streams and events. Addresses are integers.");
  device
      .def(
          "__init__", [](Device* self, const std::string& name) { new (self) Device(open(name)); },
          nb::arg("name") = "auto",
          "'cpu', 'cuda:N', or 'auto': what the environment's PENSTOCK_DEVICE names, else a GPU "
          "where there is one, else the CPU.")
      .def_static(
          "list", [] { return Device::list(); }, "The names of all that are here.")
      .def_prop_ro("name", &Device::name, "'cuda:0'")
      .def_prop_ro("is_host", &Device::is_host, "Its memory is the host's.")
      .def_prop_ro("product_name", fact(&DeviceInfo::name), "'NVIDIA H200'")
      .def_prop_ro("instruction_set", fact(&DeviceInfo::instruction_set),
                   "'avx512'; of a GPU its compute capability: 'sm_90'.")
      .def_prop_ro("total_memory", fact(&DeviceInfo::total_memory), "Bytes.")
      .def_prop_ro("free_memory", fact(&DeviceInfo::free_memory), "Bytes, now.")
      .def(
          "memory", [](const Device& self) { return unlocked([&] { return self.memory(); }); },
          "What there is, what this process holds and for what.")
      .def("set_memory_limit", &Device::set_memory_limit, nb::arg("nbytes"),
           "The most that this process may hold of the device's memory; 0: no limit. Until this is "
           "called, the environment's PENSTOCK_MEMORY_LIMIT holds.")
      .def("reset_peak_memory", &Device::reset_peak_memory)
      .def(
          "allocate",
          [](const Device& self, size_t bytes) {
            return unlocked([&] { return self.allocate(bytes); });
          },
          nb::arg("nbytes"), "Memory of the device.")
      .def(
          "allocate_host",
          [](const Device& self, size_t bytes) {
            return unlocked([&] { return self.allocate_host(bytes); });
          },
          nb::arg("nbytes"),
          "Memory of the host that copies to and from the device are fastest with: page-locked.")
      .def(
          "can_reach",
          [](const Device& self, uint64_t address) { return self.can_reach(pointer(address)); },
          nb::arg("address"), "True where kernels of this device can read what is there.")
      .def(
          "create_stream",
          [](const Device& self, int threads) {
            return PyStream(take(self.create_stream(threads)));
          },
          nb::arg("threads") = 0, "An in-order queue.")
      .def(
          "wrap_stream",
          [](const Device& self, uint64_t handle) {
            return PyStream(take(self.wrap_stream(pointer(handle))));
          },
          nb::arg("handle"),
          "Somebody else's stream, such as torch.cuda.Stream.cuda_stream, who keeps it alive; 0 is "
          "the device's default stream.")
      .def("create_event", [](const Device& self) { return take(self.create_event()); })
      .def(
          "synchronize", [](const Device& self) { unlocked([&] { return self.synchronize(); }); },
          "Waits for all of a GPU's streams.")
      .def("__repr__",
           [](const Device& self) { return "<penstock.Device '" + self.name() + "'>"; });
  bind_copies(device);
}

}  // namespace penstock::python
