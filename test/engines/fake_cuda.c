/* A stand-in for the GPU's driver: device memory is host memory, a graph is a list of copies. For test_device.py.
   The declarations are those of the CUDA driver API, so that a wrong argument of ours shows. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef int result;
typedef uint64_t address;
struct copy { void *to; const void *from; size_t size; };
struct graph { int count; struct copy copies[64]; };
struct stream { struct graph *recording; int alive; };

int fake_devices = 1, fake_shared = 0, fake_fail = 0, fake_alive = 0, fake_synchronised = 0;

static void *made(size_t size) { fake_alive++; return calloc(1, size); }
static result freed(void *thing) { fake_alive--; free(thing); return 0; }
static result copy(void *to, const void *from, size_t size, struct stream *stream) {
  if (!stream || !stream->alive) return 400;
  if (stream->recording) {
    struct graph *graph = stream->recording;
    graph->copies[graph->count++] = (struct copy){to, from, size};
  } else memcpy(to, from, size);
  return 0;
}

result cuInit(unsigned flags) { return flags ? 1 : fake_fail; }
result cuGetErrorString(result code, const char **text) {
  if (code != 100) return 1;
  *text = "no CUDA-capable device is detected";
  return 0;
}
result cuDriverGetVersion(int *version) { *version = 12060; return 0; }
result cuDeviceGetCount(int *count) { *count = fake_devices; return 0; }
result cuDeviceGet(int *device, int number) { *device = number; return 0; }
result cuDeviceGetName(char *name, int size, int device) { strncpy(name, "Fake Orin", size); return device; }
result cuDeviceGetAttribute(int *value, int attribute, int device) {
  *value = attribute == 75 ? 8 : attribute == 76 ? 7 : attribute == 16 ? 16 : attribute == 18 ? fake_shared : -1;
  return device;
}
result cuDevicePrimaryCtxRetain(void **context, int device) { *context = made(1); return device; }
result cuDevicePrimaryCtxRelease_v2(int device) { fake_alive--; return device; }
result cuCtxSetCurrent(void *context) { return context ? 0 : 201; }
result cuMemGetInfo_v2(size_t *free_bytes, size_t *total) { *free_bytes = 1000; *total = (size_t)8 << 30; return 0; }
result cuMemAlloc_v2(address *out, size_t size) { *out = (address)(uintptr_t)made(size); return 0; }
result cuMemFree_v2(address there) { return freed((void *)(uintptr_t)there); }
result cuMemHostAlloc(void **out, size_t size, unsigned flags) {
  *out = size ? made(size) : NULL;
  return flags == 2 && size ? 0 : 1;
}
result cuMemHostGetDevicePointer_v2(address *out, void *host, unsigned flags) {
  *out = (address)(uintptr_t)host;
  return flags;
}
result cuMemFreeHost(void *host) { return freed(host); }
result cuMemcpyHtoDAsync_v2(address to, const void *from, size_t size, struct stream *stream) {
  return copy((void *)(uintptr_t)to, from, size, stream);
}
result cuMemcpyDtoHAsync_v2(void *to, address from, size_t size, struct stream *stream) {
  return copy(to, (void *)(uintptr_t)from, size, stream);
}
result cuStreamCreate(struct stream **out, unsigned flags) {
  *out = made(sizeof **out);
  (*out)->alive = 1;
  return flags == 1 ? 0 : 1;
}
result cuStreamSynchronize(struct stream *stream) { fake_synchronised++; return stream && stream->alive ? 0 : 400; }
result cuStreamDestroy_v2(struct stream *stream) { return freed(stream); }
result cuStreamBeginCapture_v2(struct stream *stream, int mode) {
  stream->recording = made(sizeof *stream->recording);
  return mode == 1 ? 0 : 1;
}
result cuStreamEndCapture(struct stream *stream, struct graph **out) {
  *out = stream->recording;
  stream->recording = NULL;
  return 0;
}
result cuGraphInstantiateWithFlags(struct graph **out, struct graph *graph, unsigned long long flags) {
  *out = made(sizeof **out);
  **out = *graph;
  return flags ? 1 : 0;
}
result cuGraphLaunch(struct graph *graph, struct stream *stream) {
  for (int i = 0; i < graph->count; i++)
    if (copy(graph->copies[i].to, graph->copies[i].from, graph->copies[i].size, stream)) return 400;
  return 0;
}
result cuGraphExecDestroy(struct graph *graph) { return freed(graph); }
result cuGraphDestroy(struct graph *graph) { return freed(graph); }
result cuEventCreate(int **out, unsigned flags) { *out = made(sizeof **out); return flags; }
result cuEventRecord(int *event, struct stream *stream) {
  static int now;
  *event = now += 3;
  return stream ? 0 : 400;
}
result cuEventElapsedTime(float *out, int *first, int *last) { *out = (float)(*last - *first) / 2; return 0; }
result cuEventDestroy_v2(int *event) { return freed(event); }
