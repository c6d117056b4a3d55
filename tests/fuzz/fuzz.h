/*
 * What every fuzz target defines; libFuzzer calls it with one input after the other. A target says
 * in a line "fuzzes: FILE ..." which sources it is there for; run.sh reports how much of them was
 * reached. Whatever must hold is asserted; anything else that goes wrong the sanitizers find.
 */
#ifndef BAZAR_TESTS_FUZZ_H
#define BAZAR_TESTS_FUZZ_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
