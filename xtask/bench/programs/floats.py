# Numbers with a point: a spectral norm and a Mandelbrot set.


def a(i, j):
    return 1.0 / ((i + j) * (i + j + 1) // 2 + i + 1)


def multiply(vector, transposed):
    span = range(len(vector))
    if transposed:
        return [sum(a(j, i) * vector[j] for j in span) for i in span]
    return [sum(a(i, j) * vector[j] for j in span) for i in span]


u = [1.0] * 70
for _ in range(6):
    v = multiply(multiply(u, False), True)
    u = multiply(multiply(v, False), True)
vbv = sum(x * y for x, y in zip(u, v))
vv = sum(y * y for y in v)
print("%.9f" % (vbv / vv) ** 0.5)

inside = 0
for row in range(60):
    for column in range(60):
        cr, ci = 2.0 * column / 60 - 1.5, 2.0 * row / 60 - 1.0
        x = y = 0.0
        for _ in range(50):
            x, y = x * x - y * y + cr, 2.0 * x * y + ci
            if x * x + y * y > 4.0:
                break
        else:
            inside += 1
print(inside)
