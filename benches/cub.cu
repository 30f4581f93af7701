// What an owner of a CUDA card does today: transpose the mask, then cub::DeviceRunLengthEncode over all of it.
//
//     nvcc -O3 -arch=native -o cub benches/cub.cu
//     ./cub FILE HEIGHT WIDTH BYTES REPEATS
//
// FILE holds the labels as they are, row after row, BYTES (1, 2 or 4) each. Prints the median seconds of transposing and
// encoding on the device, without any copy from or to the host, and the number of runs, background included. Runs are not
// grouped by label. `cargo bench --bench gpu` calls this where there is an nvcc.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <cub/cub.cuh>

static void check(cudaError_t error, const char *doing) {
    if (error != cudaSuccess) {
        std::fprintf(stderr, "%s: %s\n", doing, cudaGetErrorString(error));
        std::exit(1);
    }
}

constexpr int SIDE = 32;

template <typename T>
__global__ void transpose(const T *rows, T *columns, uint64_t height, uint64_t width) {
    __shared__ T square[SIDE][SIDE + 1];
    uint64_t top = uint64_t(blockIdx.y) * SIDE, left = uint64_t(blockIdx.x) * SIDE;
    for (int y = threadIdx.y; y < SIDE; y += blockDim.y)
        if (top + y < height && left + threadIdx.x < width)
            square[y][threadIdx.x] = rows[(top + y) * width + left + threadIdx.x];
    __syncthreads();
    for (int y = threadIdx.y; y < SIDE; y += blockDim.y)
        if (left + y < width && top + threadIdx.x < height)
            columns[(left + y) * height + top + threadIdx.x] = square[threadIdx.x][y];
}

template <typename T>
static int run(const char *path, uint64_t height, uint64_t width, int repeats) {
    uint64_t pixels = height * width;
    std::vector<T> labels(pixels);
    std::FILE *file = std::fopen(path, "rb");
    if (!file || std::fread(labels.data(), sizeof(T), pixels, file) != pixels) {
        std::fprintf(stderr, "%s: expected %llu labels of %zu bytes\n", path, (unsigned long long)pixels, sizeof(T));
        return 1;
    }
    std::fclose(file);
    T *rows, *columns, *unique;
    uint32_t *lengths;
    int64_t *count;
    check(cudaMalloc(&rows, pixels * sizeof(T)), "labels");
    check(cudaMalloc(&columns, pixels * sizeof(T)), "transposed labels");
    check(cudaMalloc(&unique, pixels * sizeof(T)), "labels of runs");
    check(cudaMalloc(&lengths, pixels * sizeof(uint32_t)), "lengths");
    check(cudaMalloc(&count, sizeof(int64_t)), "number of runs");
    check(cudaMemcpy(rows, labels.data(), pixels * sizeof(T), cudaMemcpyHostToDevice), "upload");
    void *scratch = nullptr;
    size_t bytes = 0;
    auto encode = [&] {
        return cub::DeviceRunLengthEncode::Encode(scratch, bytes, columns, unique, lengths, count, int64_t(pixels));
    };
    check(encode(), "asking for scratch memory");
    check(cudaMalloc(&scratch, bytes), "scratch memory");
    dim3 block(SIDE, 8), grid(unsigned((width + SIDE - 1) / SIDE), unsigned((height + SIDE - 1) / SIDE));
    cudaEvent_t begin, end;
    check(cudaEventCreate(&begin), "event");
    check(cudaEventCreate(&end), "event");
    std::vector<float> samples;
    for (int i = 0; i <= repeats; i++) {
        check(cudaEventRecord(begin), "event");
        transpose<<<grid, block>>>(rows, columns, height, width);
        check(encode(), "encode");
        check(cudaEventRecord(end), "event");
        check(cudaEventSynchronize(end), "waiting");
        float milliseconds;
        check(cudaEventElapsedTime(&milliseconds, begin, end), "time");
        if (i > 0) samples.push_back(milliseconds);
    }
    int64_t runs;
    check(cudaMemcpy(&runs, count, sizeof runs, cudaMemcpyDeviceToHost), "number of runs");
    std::sort(samples.begin(), samples.end());
    std::printf("%.9f %lld\n", samples[samples.size() / 2] / 1e3, (long long)runs);
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 6) {
        std::fprintf(stderr, "usage: cub FILE HEIGHT WIDTH BYTES REPEATS\n");
        return 2;
    }
    uint64_t height = std::strtoull(argv[2], nullptr, 10), width = std::strtoull(argv[3], nullptr, 10);
    int repeats = std::atoi(argv[5]);
    switch (std::atoi(argv[4])) {
        case 1: return run<uint8_t>(argv[1], height, width, repeats);
        case 2: return run<uint16_t>(argv[1], height, width, repeats);
        case 4: return run<uint32_t>(argv[1], height, width, repeats);
    }
    std::fprintf(stderr, "labels of 1, 2 or 4 bytes\n");
    return 2;
}
