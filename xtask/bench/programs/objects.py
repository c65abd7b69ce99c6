# Objects, attributes and methods: bodies that move in a box, in a list and in a tree by their number.


class Vector:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x = x
        self.y = y

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)

    def dot(self, other):
        return self.x * other.x + self.y * other.y


class Body:
    def __init__(self, number):
        self.number = number
        self.at = Vector(number * 37 % 1000, number * 91 % 1000)
        self.speed = Vector(number % 13 - 6, number % 7 - 3)
        self.left = None
        self.right = None

    def move(self):
        self.at = self.at + self.speed
        if not 0 <= self.at.x < 1000:
            self.speed.x = -self.speed.x
        if not 0 <= self.at.y < 1000:
            self.speed.y = -self.speed.y


class Tree:
    def __init__(self):
        self.root = None

    def insert(self, body):
        if self.root is None:
            self.root = body
            return
        node = self.root
        while True:
            side = "left" if body.number < node.number else "right"
            child = getattr(node, side)
            if child is None:
                setattr(node, side, body)
                return
            node = child

    def __iter__(self):
        stack, node = [], self.root
        while stack or node is not None:
            while node is not None:
                stack.append(node)
                node = node.left
            node = stack.pop()
            yield node
            node = node.right


bodies = [Body(n * 7919 % 1009) for n in range(400)]
tree = Tree()
for body in bodies:
    tree.insert(body)
energy = 0
for step in range(250):
    for body in tree:
        body.move()
        energy += body.speed.dot(body.speed)
print(energy, sum(body.at.x for body in bodies), sum(body.at.y for body in bodies))
