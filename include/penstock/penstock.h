// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// Everything an application needs.
#include <penstock/accuracy.h>
#include <penstock/builder.h>
#include <penstock/calibration.h>
#include <penstock/context.h>
#include <penstock/custom_operator.h>
#include <penstock/device.h>
#include <penstock/engine.h>
#include <penstock/input_contract.h>
#include <penstock/input_monitor.h>
#include <penstock/plan.h>
#include <penstock/precision_search.h>
#include <penstock/profile.h>
#include <penstock/status.h>
#include <penstock/stream.h>
#include <penstock/tensor.h>
#include <penstock/types.h>
#include <penstock/value.h>
