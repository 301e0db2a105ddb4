// The end of every kernel that treats rows one by one: its rows, split among the pool's threads.
#pragma once

#include "core/row_layout.h"
#include "core/thread_pool.h"

namespace cai {

// Runs kernel(args, begin, end) until all of args.rows rows of args.columns values are done.
template <typename Args>
void ParallelRows(const Args& args, void (*kernel)(const Args& args, int64_t begin, int64_t end)) {
  ThreadPool::Get().ParallelRange(args.rows, RowGrain(args.columns),
                                  [&](int64_t begin, int64_t end, int) { kernel(args, begin, end); });
}

}  // namespace cai
