// oneDNN's float32 matrix product, called from the gemm bench: reads a JSON line with m, n, k, transposeA, transposeB, api
// (0: dnnl_sgemm, 1: the matmul primitive) and calls, answers {"milliseconds": [...]}; its first line says its version.
#include <dnnl.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

long Field(const char* line, const char* name) {
  const std::string key = std::string("\"") + name + "\":";
  const char* at = std::strstr(line, key.c_str());
  if (!at) std::exit(2);
  return std::strtol(at + key.size(), nullptr, 10);
}

std::vector<float> Values(size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i % 97) / 97.0f - 0.5f;
  return values;
}

template <typename Call>
void Time(long calls, Call&& call) {
  std::printf("{\"milliseconds\":[");
  for (long i = 0; i < calls; ++i) {
    const auto start = std::chrono::steady_clock::now();
    call();
    const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
    std::printf(i ? ",%.6f" : "%.6f", elapsed.count());
  }
  std::printf("]}\n");
  std::fflush(stdout);
}

}  // namespace

int main() {
  const dnnl_version_t* version = dnnl_version();
  std::printf("{\"version\":\"%d.%d.%d\"}\n", version->major, version->minor, version->patch);
  std::fflush(stdout);
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  char line[512];
  while (std::fgets(line, sizeof line, stdin)) {
    const dnnl_dim_t m = Field(line, "m"), n = Field(line, "n"), k = Field(line, "k");
    const bool ta = Field(line, "transposeA") != 0, tb = Field(line, "transposeB") != 0;
    const long calls = Field(line, "calls");
    std::vector<float> a = Values(m * k), b = Values(k * n), c(m * n);
    if (Field(line, "api") == 0) {
      Time(calls, [&] {
        dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', m, n, k, 1.0f, a.data(), ta ? m : k, b.data(), tb ? k : n, 0.0f,
                   c.data(), n);
      });
      continue;
    }
    using Memory = dnnl::memory;
    const auto type = Memory::data_type::f32;
    const Memory::desc a_desc({m, k}, type, ta ? Memory::dims{1, m} : Memory::dims{k, 1});
    const Memory::desc b_desc({k, n}, type, tb ? Memory::dims{1, k} : Memory::dims{n, 1});
    const Memory::desc c_desc({m, n}, type, Memory::dims{n, 1});
    const dnnl::matmul product(dnnl::matmul::primitive_desc(dnnl::matmul::desc(a_desc, b_desc, c_desc), engine));
    Memory a_memory(a_desc, engine, a.data()), b_memory(b_desc, engine, b.data()), c_memory(c_desc, engine, c.data());
    Time(calls, [&] {
      product.execute(stream, {{DNNL_ARG_SRC, a_memory}, {DNNL_ARG_WEIGHTS, b_memory}, {DNNL_ARG_DST, c_memory}});
      stream.wait();
    });
  }
}
