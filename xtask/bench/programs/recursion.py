# Calls: Fibonacci, Ackermann, the queens, and a walk through nested lists.
import sys

sys.setrecursionlimit(5000)


def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def ackermann(m, n):
    if m == 0:
        return n + 1
    return ackermann(m - 1, 1 if n == 0 else ackermann(m, n - 1))


def queens(size, row=0, columns=0, up=0, down=0):
    if row == size:
        return 1
    found = 0
    for column in range(size):
        bit, rising, falling = 1 << column, 1 << row + column, 1 << row - column + size
        if not (columns & bit or up & rising or down & falling):
            found += queens(size, row + 1, columns | bit, up | rising, down | falling)
    return found


def nested(depth):
    return [nested(depth - 1), depth, nested(depth - 1)] if depth else []


def total(tree):
    return sum(total(part) if isinstance(part, list) else part for part in tree)


print(fibonacci(21), ackermann(2, 90), queens(7), total(nested(12)))
