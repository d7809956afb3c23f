/* The passes of a residual network in training: 3x3 convolutions of stride 1 forward, to their inputs and to their filters, with the
 * normalisation, ReLU and sums over pixels of their neighbours drawn into them; float32, channels last, one thread.
 *
 * The algorithm is that of winograd.c: y = A' [(G g G') * (B' d B)] A. Its derivatives are
 *
 *     to the inputs     the same convolution of the gradient with filters turned round
 *     to the filters    G' [sum over tiles of (A dy A') * (B' d B)] G
 *
 * A map before its normalisation is `c`. What is read is a map as it is, ReLU(a c + b), or the gradient that the normalisation passes
 * on, a g + b c + d, of which each letter is a number a channel. Sums over pixels are floats over a lot of tiles, then doubles.
 */
#include "../inference/runtimes/winograd.c"

enum { ROWS = 8 }; /* inputs of a block of the filters' gradient; its sums stay in registers */

typedef uint8_t bytes __attribute__((vector_size(WIDTH), aligned(1), may_alias));

typedef enum { AS_IT_IS, ACTIVE, GRADIENT } Kind;
typedef enum { STATISTICS, ADDED, WHERE_ACTIVE, WHERE_POSITIVE } Ending;

/* what is read: `map` (and of a gradient `raw`), and up to three numbers a channel */
typedef struct {
    const float *map, *raw, *a, *b, *d;
} Source;

/* what becomes of outputs: where they go, what is added to them, and the map, raw and active, that they are the gradient of */
typedef struct {
    float *y;
    const float *other, *raw, *a, *b, *active;
    float *sums;
} Sink;

typedef struct {
    int images, height, width, inputs, outputs, lot; /* tiles of a lot */
} Pass;

INLINE vec read(Kind kind, const Source *source, size_t at, vec a, vec b, vec d)
{
    vec x = load(source->map + at);
    if (kind == ACTIVE)
        return positive(x * a + b);
    return kind == GRADIENT ? x * a + (load(source->raw + at) * b + d) : x;
}

INLINE Tile tile_of(const Pass *pass, int number)
{
    Shape shape = {.out_frames = 1, .out_height = pass->height, .out_width = pass->width};
    return tile_at(&shape, number);
}

INLINE int tiles_of(const Pass *pass) { return pass->images * ((pass->height + 3) / 4) * ((pass->width + 3) / 4); }

/* A tile of 6x6 inputs around its outputs, B' d B, to v: `point` floats between places in the tile, `next` between vectors of channels. */
INLINE void spread_inputs(Kind kind, const Pass *pass, const Source *source, Tile tile, int channels, float *v, size_t point, size_t next)
{
    size_t image = (size_t)tile.clip * pass->height * pass->width;
    for (int c = 0; c < channels; c += WIDTH, v += next) {
        vec a = kind == AS_IT_IS ? zero : load(source->a + c), b = kind == AS_IT_IS ? zero : load(source->b + c);
        vec d = kind == GRADIENT ? load(source->d + c) : zero, columns[6][6];
        for (int j = 0; j < 6; j++) {
            vec in[6], out[6];
            int x = tile.column - 1 + j;
            for (int i = 0; i < 6; i++) {
                int y = tile.row - 1 + i, inside = y >= 0 && y < pass->height && x >= 0 && x < pass->width;
                in[i] = inside ? read(kind, source, (image + (size_t)y * pass->width + x) * channels + c, a, b, d) : zero;
            }
            to_places(in, out);
            for (int i = 0; i < 6; i++)
                columns[i][j] = out[i];
        }
        for (int i = 0; i < 6; i++) {
            vec out[6];
            to_places(columns[i], out);
            for (int j = 0; j < 6; j++)
                store(v + (i * 6 + j) * point, out[j]);
        }
    }
}

/* A y: a column of four outputs to six places */
INLINE void from_outputs(const vec y[4], vec o[6])
{
    vec even_a = y[0] + 0.5f * y[2], odd_a = A * (y[1] + 0.5f * y[3]);
    vec even_b = y[0] + 2 * y[2], odd_b = B * (y[1] + 2 * y[3]);
    o[0] = y[0];
    o[1] = even_a + odd_a;
    o[2] = even_a - odd_a;
    o[3] = even_b + odd_b;
    o[4] = even_b - odd_b;
    o[5] = y[3];
}

/* The gradient of a tile of 4x4 outputs, A dy A', to v as above. */
INLINE void spread_outputs(const Pass *pass, const Source *source, Tile tile, float *v, size_t point, size_t next)
{
    size_t image = (size_t)tile.clip * pass->height * pass->width;
    for (int k = 0; k < pass->outputs; k += WIDTH, v += next) {
        vec a = load(source->a + k), b = load(source->b + k), d = load(source->d + k), columns[6][4];
        for (int j = 0; j < 4; j++) {
            vec in[4], out[6];
            for (int i = 0; i < 4; i++) {
                size_t at = (image + (size_t)(tile.row + i) * pass->width + tile.column + j) * pass->outputs + k;
                in[i] = i < tile.rows && j < tile.columns ? read(GRADIENT, source, at, a, b, d) : zero;
            }
            from_outputs(in, out);
            for (int i = 0; i < 6; i++)
                columns[i][j] = out[i];
        }
        for (int i = 0; i < 6; i++) {
            vec out[6];
            from_outputs(columns[i], out);
            for (int j = 0; j < 6; j++)
                store(v + (i * 6 + j) * point, out[j]);
        }
    }
}

/* What becomes of outputs `value` of pixel and channel `at`; their sums, and sums of their products with the raw map (or themselves). */
INLINE void end(Ending ending, const Sink *sink, size_t at, vec value, vec a, vec b, vec *sum, vec *product)
{
    if (sink->other)
        value += load(sink->other + at);
    if (ending != ADDED) {
        vec raw = ending == STATISTICS ? value : load(sink->raw + at);
        if (ending == WHERE_ACTIVE)
            value = (vec)((bits)value & (raw * a + b > zero));
        if (ending == WHERE_POSITIVE)
            value = (vec)((bits)value & (load(sink->active + at) > zero));
        *sum += value;
        *product += value * raw;
    }
    store(sink->y + at, value);
}

/* The row of a tile in m (36, lot, row) to its outputs. */
INLINE void gather_outputs(Ending ending, const Pass *pass, const float *m, size_t row, Tile tile, const Sink *sink)
{
    size_t image = (size_t)tile.clip * pass->height * pass->width;
    for (int k = 0; k < pass->outputs; k += WIDTH) {
        vec rows[4][6], a = ending == WHERE_ACTIVE ? load(sink->a + k) : zero, b = ending == WHERE_ACTIVE ? load(sink->b + k) : zero;
        for (int j = 0; j < 6; j++) {
            vec in[6], out[4];
            for (int i = 0; i < 6; i++)
                in[i] = load(m + (size_t)(i * 6 + j) * pass->lot * row + k);
            to_outputs(in, out);
            for (int i = 0; i < 4; i++)
                rows[i][j] = out[i];
        }
        vec sum = zero, product = zero;
        for (int i = 0; i < tile.rows; i++) {
            vec out[4];
            to_outputs(rows[i], out);
            size_t at = (image + (size_t)(tile.row + i) * pass->width + tile.column) * pass->outputs + k;
            for (int j = 0; j < tile.columns; j++, at += pass->outputs)
                end(ending, sink, at, out[j], a, b, &sum, &product);
        }
        if (ending != ADDED) {
            store(sink->sums + k, load(sink->sums + k) + sum);
            store(sink->sums + pass->outputs + k, load(sink->sums + pass->outputs + k) + product);
        }
    }
}

static void flush(float *sums, int count, double *totals)
{
    for (int n = 0; n < count; n++)
        totals[n] += sums[n], sums[n] = 0;
}

INLINE void convolve(Kind kind, Ending ending, const Pass *pass, const Source *source, const float *u, Sink sink, double *totals,
                     float *scratch)
{
    int tiles = tiles_of(pass);
    size_t row_v = pass->inputs + SPARE, row_m = pass->outputs + SPARE;
    float *v = scratch, *m = v + POINTS * pass->lot * row_v;
    sink.sums = m + POINTS * pass->lot * row_m;
    for (int n = 0; n < 2 * pass->outputs; n++)
        sink.sums[n] = 0;
    for (int first = 0; first < tiles; first += pass->lot) {
        int count = tiles - first < pass->lot ? tiles - first : pass->lot, blocks = (count + BLOCK - 1) / BLOCK;
        for (int t = 0; t < count; t++)
            spread_inputs(kind, pass, source, tile_of(pass, first + t), pass->inputs, v + t * row_v, pass->lot * row_v, WIDTH);
        for (int point = 0; point < POINTS; point++)
            for (int k = 0; k < pass->outputs; k += PANEL) {
                const float *panel = u + ((size_t)point * pass->outputs + k) * pass->inputs;
                for (int block = 0, t = 0; block < blocks; block++) {
                    int rows = (count - t + blocks - block - 1) / (blocks - block);
                    size_t at = (size_t)point * pass->lot + t;
                    products[rows](v + at * row_v, row_v, panel, m + at * row_m + k, row_m, pass->inputs);
                    t += rows;
                }
            }
        for (int t = 0; t < count; t++)
            gather_outputs(ending, pass, m + t * row_m, row_m, tile_of(pass, first + t), &sink);
        if (ending != ADDED)
            flush(sink.sums, 2 * pass->outputs, totals);
    }
}

/* Floats of scratch that each of the functions below needs at most. */
int64_t residual_scratch(int inputs, int outputs, int lot)
{
    return (int64_t)POINTS * (lot + 1) * (inputs + SPARE + outputs + SPARE) + 2 * outputs;
}

int residual_panel(void) { return PANEL; }

/* y = convolution of x, or of ReLU(a x + b) if there are a and b; totals (2, outputs) += sums of y and of its squares. */
void residual_forward(const float *x, const float *a, const float *b, int images, int height, int width, int inputs, const float *u,
                      float *y, int outputs, double *totals, int lot, float *scratch)
{
    Pass pass = {images, height, width, inputs, outputs, lot};
    Source source = {.map = x, .a = a, .b = b};
    Sink sink = {.y = y};
    if (a)
        convolve(ACTIVE, STATISTICS, &pass, &source, u, sink, totals, scratch);
    else
        convolve(AS_IT_IS, STATISTICS, &pass, &source, u, sink, totals, scratch);
}

/* The gradient y to the inputs of a convolution (filters turned round in u), from that of its outputs, a g + b c + d. `other` is added
 * if there is one. The inputs were ReLU(in_a raw + in_b), or, if there is no in_a, `active`: y is zero where they were, and totals
 * (2, outputs) += sums of y and of y raw. Without `raw` neither. */
void residual_inputs(const float *g, const float *c, const float *a, const float *b, const float *d, int images, int height, int width,
                     int inputs, const float *u, const float *other, const float *raw, const float *in_a, const float *in_b,
                     const float *active, float *y, int outputs, double *totals, int lot, float *scratch)
{
    Pass pass = {images, height, width, inputs, outputs, lot};
    Source source = {g, c, a, b, d};
    Sink sink = {.y = y, .other = other, .raw = raw, .a = in_a, .b = in_b, .active = active};
    if (!raw)
        convolve(GRADIENT, ADDED, &pass, &source, u, sink, totals, scratch);
    else if (in_a)
        convolve(GRADIENT, WHERE_ACTIVE, &pass, &source, u, sink, totals, scratch);
    else
        convolve(GRADIENT, WHERE_POSITIVE, &pass, &source, u, sink, totals, scratch);
}

/* s += v' y of ROWS inputs and a panel of outputs, over the tiles of a lot; `next` floats from the panel's left half to its right */
static void accumulate(const float *v, const float *y, size_t next, int count, float *s, int outputs)
{
    vec sum[ROWS][2];
    for (int r = 0; r < ROWS; r++)
        sum[r][0] = load(s + (size_t)r * outputs), sum[r][1] = load(s + (size_t)r * outputs + WIDTH);
    for (int t = 0; t < count; t++, v += WIDTH, y += WIDTH) {
        vec left = load(y), right = load(y + next);
        _Pragma("GCC unroll 8") for (int r = 0; r < ROWS; r++) {
            float x = v[r];
            sum[r][0] += x * left;
            sum[r][1] += x * right;
        }
    }
    for (int r = 0; r < ROWS; r++)
        store(s + (size_t)r * outputs, sum[r][0]), store(s + (size_t)r * outputs + WIDTH, sum[r][1]);
}

/* Here what is spread lies (36, channels / WIDTH, lot + 1, WIDTH): a block of the sums reads on and on. */
INLINE void to_filters(Kind kind, const Pass *pass, const Source *source, const Source *gradient, float *s, float *scratch)
{
    int tiles = tiles_of(pass);
    size_t next = (size_t)(pass->lot + 1) * WIDTH, point_v = pass->inputs / WIDTH * next, point_y = pass->outputs / WIDTH * next;
    float *v = scratch, *y = v + POINTS * point_v;
    for (int first = 0; first < tiles; first += pass->lot) {
        int count = tiles - first < pass->lot ? tiles - first : pass->lot;
        for (int t = 0; t < count; t++) {
            Tile tile = tile_of(pass, first + t);
            spread_inputs(kind, pass, source, tile, pass->inputs, v + t * WIDTH, point_v, next);
            spread_outputs(pass, gradient, tile, y + t * WIDTH, point_y, next);
        }
        for (int point = 0; point < POINTS; point++)
            for (int k = 0; k < pass->outputs; k += PANEL)
                for (int c = 0; c < pass->inputs; c += ROWS)
                    accumulate(v + point * point_v + c / WIDTH * next + c % WIDTH, y + point * point_y + k / WIDTH * next, next, count,
                               s + ((size_t)point * pass->inputs + c) * pass->outputs + k, pass->outputs);
    }
}

/* s (36, inputs, outputs) += the filters' gradient before G, from inputs as of residual_forward and the gradient a g + b c + d. */
void residual_filters(const float *x, const float *in_a, const float *in_b, const float *g, const float *c, const float *a,
                      const float *b, const float *d, int images, int height, int width, int inputs, int outputs, float *s, int lot,
                      float *scratch)
{
    Pass pass = {images, height, width, inputs, outputs, lot};
    Source source = {.map = x, .a = in_a, .b = in_b}, gradient = {g, c, a, b, d};
    if (in_a)
        to_filters(ACTIVE, &pass, &source, &gradient, s, scratch);
    else
        to_filters(AS_IT_IS, &pass, &source, &gradient, s, scratch);
}

enum { PIXELS = 256 }; /* whose sums are floats */

/* totals (2, channels) += sums of c and of its squares. */
void residual_moments(const float *c, int64_t pixels, int channels, double *totals, float *scratch)
{
    for (int64_t first = 0; first < pixels; first += PIXELS) {
        int64_t last = first + PIXELS < pixels ? first + PIXELS : pixels;
        for (int k = 0; k < channels; k += WIDTH) {
            vec sum = zero, square = zero;
            for (int64_t n = first; n < last; n++) {
                vec x = load(c + n * channels + k);
                sum += x, square += x * x;
            }
            store(scratch + k, sum), store(scratch + channels + k, square);
        }
        flush(scratch, 2 * channels, totals);
    }
}

/* y = ReLU(a c + b + other), of which other is as it is, or other_a other + other_b, and that's ReLU if `active`. */
void residual_join(const float *c, const float *a, const float *b, const float *other, const float *other_a, const float *other_b,
                   int active, float *y, int64_t pixels, int channels)
{
    for (int64_t n = 0; n < pixels; n++)
        for (int k = 0; k < channels; k += WIDTH) {
            size_t at = n * channels + k;
            vec x = load(other + at);
            if (other_a)
                x = x * load(other_a + k) + load(other_b + k);
            store(y + at, positive(load(c + at) * load(a + k) + load(b + k) + (active ? positive(x) : x)));
        }
}

/* g is set to zero where `active` is (if there is one); totals (2, channels) += sums of g and of g c. */
void residual_mask(float *g, const float *active, const float *c, int64_t pixels, int channels, double *totals, float *scratch)
{
    for (int64_t first = 0; first < pixels; first += PIXELS) {
        int64_t last = first + PIXELS < pixels ? first + PIXELS : pixels;
        for (int k = 0; k < channels; k += WIDTH) {
            vec sum = zero, product = zero;
            for (int64_t n = first; n < last; n++) {
                size_t at = n * channels + k;
                vec x = load(g + at);
                if (active) {
                    x = (vec)((bits)x & (load(active + at) > zero));
                    store(g + at, x);
                }
                sum += x, product += x * load(c + at);
            }
            store(scratch + k, sum), store(scratch + channels + k, product);
        }
        flush(scratch, 2 * channels, totals);
    }
}

/* y = a g + b c + d. */
void residual_through(const float *g, const float *c, const float *a, const float *b, const float *d, float *y, int64_t pixels, int channels)
{
    for (int64_t n = 0; n < pixels; n++)
        for (int k = 0; k < channels; k += WIDTH) {
            size_t at = n * channels + k;
            store(y + at, load(g + at) * load(a + k) + (load(c + at) * load(b + k) + load(d + k)));
        }
}

/* Of every 3x3 window of stride 2 with a frame of one pixel, the raw value that is the largest once normalised (the least, if a is
 * negative), and which of the nine it was: y (images, out_height, out_width, channels) and index. */
void residual_pool(const float *c, const float *a, int images, int height, int width, int channels, float *y, uint8_t *index)
{
    int out_height = (height - 1) / 2 + 1, out_width = (width - 1) / 2 + 1;
    for (int n = 0; n < images; n++)
        for (int i = 0; i < out_height; i++)
            for (int j = 0; j < out_width; j++)
                for (int k = 0; k < channels; k += WIDTH) {
                    bits down = load(a + k) < zero, which = (bits)zero;
                    vec best = zero, found = zero;
                    int any = 0;
                    for (int w = 0; w < 9; w++) {
                        int row = 2 * i - 1 + w / 3, column = 2 * j - 1 + w % 3;
                        if (row < 0 || row >= height || column < 0 || column >= width)
                            continue;
                        vec x = load(c + (((size_t)n * height + row) * width + column) * channels + k);
                        vec ranked = (vec)((bits)x ^ (down & INT32_MIN)); /* -x where a is negative */
                        bits better = any ? ranked > best : ~(bits)zero;
                        best = (vec)(((bits)ranked & better) | ((bits)best & ~better));
                        found = (vec)(((bits)x & better) | ((bits)found & ~better));
                        which = (w & better) | (which & ~better);
                        any = 1;
                    }
                    size_t at = (((size_t)n * out_height + i) * out_width + j) * channels + k;
                    store(y + at, found);
                    *(bytes *)(index + at) = __builtin_convertvector(which, bytes);
                }
}

/* c, raw before residual_pool, becomes its gradient b c + d, and a g more where an output g came from. */
void residual_unpool(float *c, const float *g, const uint8_t *index, const float *a, const float *b, const float *d, int images,
                     int height, int width, int channels)
{
    int out_height = (height - 1) / 2 + 1, out_width = (width - 1) / 2 + 1;
    for (int n = 0; n < images; n++)
        for (int row = 0; row < height; row++)
            for (int column = 0; column < width; column++)
                for (int k = 0; k < channels; k += WIDTH) {
                    vec sum = zero;
                    for (int i = row / 2; i <= (row + 1) / 2 && i < out_height; i++)
                        for (int j = column / 2; j <= (column + 1) / 2 && j < out_width; j++) {
                            int place = (row - 2 * i + 1) * 3 + column - 2 * j + 1;
                            size_t from = (((size_t)n * out_height + i) * out_width + j) * channels + k;
                            bits which = __builtin_convertvector(*(const bytes *)(index + from), bits);
                            sum += (vec)((bits)load(g + from) & (which == place));
                        }
                    size_t at = (((size_t)n * height + row) * width + column) * channels + k;
                    store(c + at, sum * load(a + k) + (load(c + at) * load(b + k) + load(d + k)));
                }
}
