/* Convolution with windows of 3x3, or of 3x3 in some frames, of stride 1, by Winograd's minimal filtering F(4x4, 3x3); float32, channels
 * last, one thread.
 *
 * Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016: an output tile of 4x4 costs 36 multiplications a
 * pair of channels where the sum over the window costs 144. A tile d of 6x6 inputs and a filter g become
 *
 *     y = A' [(G g G') * (B' d B)] A        (' transposes, * multiplies element by element, summed over the input channels)
 *
 * so that the work is 36 products of matrices, one for each place in the tile: (tiles, inputs) x (inputs, outputs). A filter that looks
 * at three frames has three times the inputs. The points of the polynomials are 0, +-1/sqrt 2, +-sqrt 2 and infinity rather than the
 * paper's 0, +-1, +-2: powers nearer to one, smaller errors (Barabasz et al., "Error Analysis and Improving the Accuracy of Winograd
 * Convolution for Deep Neural Networks", ACM TOMS 2020, on the choice of points).
 *
 * Tiles are taken `TILES` at a time, so that what is between the transforms stays in the caches. Every output is summed in one order,
 * whichever images, tiles and blocks are beside it. Written with the vectors of GNU C: made for the processor that compiles it.
 */
#include <stddef.h>
#include <stdint.h>

#if defined(__AVX512F__)
enum { WIDTH = 16, BLOCK = 12 }; /* floats of a vector; tiles of a block, whose sums stay in registers */
#elif defined(__AVX2__) && defined(__FMA__)
enum { WIDTH = 8, BLOCK = 6 };
#else
enum { WIDTH = 4, BLOCK = 6 };
#endif

enum { POINTS = 36, TILES = 24, PANEL = 2 * WIDTH, SPARE = 16 }; /* SPARE keeps rows of equal length out of one another's way */

typedef float vec __attribute__((vector_size(4 * WIDTH)));
typedef int32_t bits __attribute__((vector_size(4 * WIDTH)));
typedef float loose __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

static const vec zero;

INLINE vec load(const float *from) { return *(const loose *)from; }
INLINE void store(float *to, vec v) { *(loose *)to = v; }

#define A 0.70710678118654752f /* the points: A A = 1/2, B B = 2 */
#define B 1.41421356237309505f

/* what is not below zero, NaN too; zeros elsewhere */
INLINE vec positive(vec v) { return (vec)((bits)v & ~(bits)(v < zero)); }

/* B' d: a column of six inputs to six places */
INLINE void to_places(const vec d[6], vec o[6])
{
    vec even_a = d[4] - 2 * d[2], odd_a = A * (d[3] - 2 * d[1]);
    vec even_b = d[4] - 0.5f * d[2], odd_b = B * (d[3] - 0.5f * d[1]);
    o[0] = d[0] + (d[4] - 2.5f * d[2]);
    o[1] = even_a + odd_a;
    o[2] = even_a - odd_a;
    o[3] = even_b + odd_b;
    o[4] = even_b - odd_b;
    o[5] = d[1] + (d[5] - 2.5f * d[3]);
}

/* A' m: six places to a column of four outputs */
INLINE void to_outputs(const vec m[6], vec o[4])
{
    vec sum_a = m[1] + m[2], difference_a = m[1] - m[2], sum_b = m[3] + m[4], difference_b = m[3] - m[4];
    o[0] = m[0] + (sum_a + sum_b);
    o[1] = A * difference_a + B * difference_b;
    o[2] = 0.5f * sum_a + 2 * sum_b;
    o[3] = m[5] + (0.5f * A * difference_a + 2 * B * difference_b);
}

/* m = v u for R tiles and a panel of outputs, summed over all inputs in their order: 2 R vectors of sums stay in registers. */
#define PRODUCT(R)                                                                                                          \
    static void product##R(const float *v, size_t row_v, const float *u, float *m, size_t row_m, int inputs)                \
    {                                                                                                                       \
        vec sum[R][2];                                                                                                      \
        for (int r = 0; r < R; r++)                                                                                         \
            sum[r][0] = sum[r][1] = zero;                                                                                   \
        for (int c = 0; c < inputs; c++, u += PANEL) {                                                                      \
            vec left = load(u), right = load(u + WIDTH);                                                                    \
            __builtin_prefetch(u + (size_t)PANEL * inputs); /* the next panel, on its way from memory meanwhile */          \
            __builtin_prefetch(u + (size_t)PANEL * inputs + WIDTH);                                                         \
            _Pragma("GCC unroll 16") for (int r = 0; r < R; r++) {                                                          \
                float x = v[r * row_v + c];                                                                                 \
                sum[r][0] += x * left;                                                                                      \
                sum[r][1] += x * right;                                                                                     \
            }                                                                                                               \
        }                                                                                                                   \
        _Pragma("GCC unroll 16") for (int r = 0; r < R; r++) {                                                              \
            store(m + r * row_m, sum[r][0]);                                                                                \
            store(m + r * row_m + WIDTH, sum[r][1]);                                                                        \
        }                                                                                                                   \
    }

PRODUCT(1)
PRODUCT(2)
PRODUCT(3)
PRODUCT(4)
PRODUCT(5)
PRODUCT(6)
PRODUCT(7)
PRODUCT(8)
PRODUCT(9)
PRODUCT(10)
PRODUCT(11)
PRODUCT(12)

static void (*const products[])(const float *, size_t, const float *, float *, size_t, int) = {
    NULL, product1, product2, product3, product4, product5, product6, product7, product8, product9, product10, product11, product12,
};

/* x (clips, frames, height, width, inputs) to y (clips, out_frames, out_height, out_width, outputs); a filter looks at `taps` frames */
typedef struct {
    int clips, frames, height, width, inputs, outputs, taps, pad_time, pad, out_frames, out_height, out_width;
} Shape;

typedef struct {
    int clip, frame, row, column, rows, columns; /* of the outputs, as many as there are */
} Tile;

INLINE Tile tile_at(const Shape *shape, int number)
{
    int across = (shape->out_width + 3) / 4, down = (shape->out_height + 3) / 4, image = number / (across * down);
    int row = number % (across * down) / across * 4, column = number % across * 4;
    int rows = shape->out_height - row, columns = shape->out_width - column;
    return (Tile){image / shape->out_frames, image % shape->out_frames, row, column, rows < 4 ? rows : 4, columns < 4 ? columns : 4};
}

/* A tile of inputs, with zeros outside the map, to its row in each of the 36 matrices v (36, TILES, row_v). */
static void spread(const Shape *shape, const float *x, Tile tile, float *v, size_t row_v)
{
    int inputs = shape->inputs, height = shape->height, width = shape->width;
    for (int tap = 0; tap < shape->taps; tap++, v += inputs) {
        int frame = tile.frame - shape->pad_time + tap, exists = frame >= 0 && frame < shape->frames;
        const float *image = x + ((size_t)tile.clip * shape->frames + (exists ? frame : 0)) * height * width * inputs;
        for (int c = 0; c < inputs; c += WIDTH) {
            vec columns[6][6];
            for (int j = 0; j < 6; j++) {
                vec d[6], o[6];
                int column = tile.column - shape->pad + j;
                for (int i = 0; i < 6; i++) {
                    int row = tile.row - shape->pad + i;
                    int inside = exists && row >= 0 && row < height && column >= 0 && column < width;
                    d[i] = inside ? load(image + ((size_t)row * width + column) * inputs + c) : zero;
                }
                to_places(d, o);
                for (int i = 0; i < 6; i++)
                    columns[i][j] = o[i];
            }
            for (int i = 0; i < 6; i++) {
                vec o[6];
                to_places(columns[i], o);
                for (int j = 0; j < 6; j++)
                    store(v + (size_t)(i * 6 + j) * TILES * row_v + c, o[j]);
            }
        }
    }
}

/* The row of a tile in each of the 36 matrices m (36, TILES, row_m) to its outputs, plus bias, plus other, ReLU. */
static void gather(const Shape *shape, const float *m, size_t row_m, Tile tile, const float *bias, const float *other, int relu, float *y)
{
    int outputs = shape->outputs; /* row_m has room for whole panels of them */
    size_t image = ((size_t)tile.clip * shape->out_frames + tile.frame) * shape->out_height;
    for (int k = 0; k < outputs; k += WIDTH) {
        vec rows[4][6], shift = load(bias + k);
        for (int j = 0; j < 6; j++) {
            vec d[6], o[4];
            for (int i = 0; i < 6; i++)
                d[i] = load(m + (size_t)(i * 6 + j) * TILES * row_m + k);
            to_outputs(d, o);
            for (int i = 0; i < 4; i++)
                rows[i][j] = o[i];
        }
        for (int i = 0; i < tile.rows; i++) {
            vec o[4];
            to_outputs(rows[i], o);
            size_t place = ((image + tile.row + i) * shape->out_width + tile.column) * outputs + k;
            for (int j = 0; j < tile.columns; j++, place += outputs) {
                vec value = o[j] + shift;
                if (other)
                    value += load(other + place);
                if (relu)
                    value = positive(value);
                store(y + place, value);
            }
        }
    }
}

/* Floats of a vector, of which inputs and outputs are a multiple. */
int winograd_width(void) { return WIDTH; }

/* Outputs as the products make them, in whole panels. */
INLINE int whole(int outputs) { return (outputs + PANEL - 1) / PANEL * PANEL; }

/* Floats of the filters as the convolution wants them, and of its scratch. */
int64_t winograd_filters_size(int inputs, int outputs, int taps) { return (int64_t)POINTS * inputs * taps * whole(outputs); }
int64_t winograd_scratch_size(int inputs, int outputs, int taps)
{
    return (int64_t)POINTS * TILES * (inputs * taps + SPARE + whole(outputs) + SPARE);
}

/* Filters (outputs, inputs, taps, 3, 3) to u (36, panels, taps, inputs, PANEL), zeros before: G g G'. */
void winograd_filters(const float *filters, int inputs, int outputs, int taps, float *u)
{
    /* a row [1, p, p^2] / prod (p - q) over the other finite points q */
    const double p[5] = {0, 0.70710678118654752440, -0.70710678118654752440, 1.41421356237309504880, -1.41421356237309504880};
    double g[6][3] = {{0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0, 1}};
    for (int i = 0; i < 5; i++) {
        double scale = 1;
        for (int j = 0; j < 5; j++)
            scale *= i == j ? 1 : p[i] - p[j];
        g[i][0] = 1 / scale, g[i][1] = p[i] / scale, g[i][2] = p[i] * p[i] / scale;
    }
    for (int k = 0; k < outputs; k++)
        for (int c = 0; c < inputs; c++)
            for (int tap = 0; tap < taps; tap++) {
                const float *filter = filters + (((size_t)k * inputs + c) * taps + tap) * 9;
                double half[6][3];
                for (int i = 0; i < 6; i++)
                    for (int j = 0; j < 3; j++)
                        half[i][j] = g[i][0] * filter[j] + g[i][1] * filter[3 + j] + g[i][2] * filter[6 + j];
                for (int i = 0; i < 6; i++)
                    for (int j = 0; j < 6; j++) {
                        size_t panel = ((size_t)(i * 6 + j) * whole(outputs) / PANEL + k / PANEL) * taps + tap;
                        u[(panel * inputs + c) * PANEL + k % PANEL] = half[i][0] * g[j][0] + half[i][1] * g[j][1] + half[i][2] * g[j][2];
                    }
            }
}

/* y = act(convolution(x) + bias + other), of the shapes of Shape. `other` may be NULL, and may be y. */
void winograd_convolve(const float *x, int clips, int frames, int height, int width, int inputs, const float *u, int taps, int pad_time,
                       int pad, const float *bias, const float *other, int relu, float *y, int outputs, float *scratch)
{
    Shape shape = {clips,    frames, height, width, inputs, outputs, taps, pad_time, pad, frames + 2 * pad_time - taps + 1,
                   height + 2 * pad - 2, width + 2 * pad - 2};
    int tiles = clips * shape.out_frames * ((shape.out_height + 3) / 4) * ((shape.out_width + 3) / 4), depth = inputs * taps;
    size_t row_v = depth + SPARE, row_m = whole(outputs) + SPARE;
    float *v = scratch, *m = scratch + POINTS * TILES * row_v;
    for (int first = 0; first < tiles; first += TILES) {
        int count = tiles - first < TILES ? tiles - first : TILES, blocks = (count + BLOCK - 1) / BLOCK;
        for (int t = 0; t < count; t++)
            spread(&shape, x, tile_at(&shape, first + t), v + t * row_v, row_v);
        for (int point = 0; point < POINTS; point++)
            for (int k = 0; k < outputs; k += PANEL) {
                const float *panel = u + ((size_t)point * whole(outputs) + k) * depth;
                for (int block = 0, t = 0; block < blocks; block++) {
                    int rows = (count - t + blocks - block - 1) / (blocks - block); /* as even as can be */
                    size_t at = (size_t)point * TILES + t;
                    products[rows](v + at * row_v, row_v, panel, m + at * row_m + k, row_m, depth);
                    t += rows;
                }
            }
        for (int t = 0; t < count; t++)
            gather(&shape, m + t * row_m, row_m, tile_at(&shape, first + t), bias, other, relu, y);
    }
}
