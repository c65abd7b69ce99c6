# A tour of the standard library: what it prints must not depend on where it runs.
import abc, argparse, array, ast, base64, bisect, binascii, bz2, calendar, cmath, codecs, collections, configparser
import contextlib, copy, csv, ctypes, dataclasses, datetime, decimal, difflib, enum, errno, fcntl, fnmatch, fractions
import functools, gc, getopt, glob, gzip, hashlib, heapq, hmac, html, inspect, io, itertools, json, keyword, linecache
import locale, logging, lzma, math, mmap, multiprocessing, operator, os, pathlib, pickle, platform, pprint, queue
import random, re, resource, sched, secrets, select, selectors, shelve, shlex, shutil, signal, socket, socketserver
import sqlite3, stat, statistics, string, struct, subprocess, sys, tarfile, tempfile, textwrap, threading, time
import timeit, tokenize, traceback, types, typing, unicodedata, unittest, urllib.parse, uuid, warnings, weakref
import xml.etree.ElementTree, zipfile, zlib, zoneinfo

os.chdir(tempfile.mkdtemp())


def title(text):
    print("==", text)


title("numbers")
print(math.pi, math.e, math.sin(1), math.exp(10), math.log(7), math.sqrt(2), math.gamma(5.5), math.erf(0.3))
print([math.tan(x / 7) for x in range(5)], math.atan2(1, -2), math.hypot(3, 4), math.fmod(-7, 3), math.cosh(2))
print(cmath.sqrt(-2 + 1j), abs(3 + 4j), (1 + 2j) ** 3, complex("1e3-2j"))
print(2**200, 3**100 % 10**9, pow(7, 10**20, 10**9 + 7), math.factorial(40), math.comb(50, 25), math.isqrt(10**30))
print(1 / 3, 2 / 3, 1e308 * 10, -1e-320, float("nan"), 0.1 + 0.2, round(2.5), round(-3.5), 10**23 / 7, 5e-324)
print((0.1).hex(), float.fromhex("0x1.8p-3"), (255).to_bytes(4, "big"), int.from_bytes(b"\x80\0", "little", signed=True))
print(decimal.Decimal(1) / 7, decimal.Decimal("2").sqrt(), fractions.Fraction(3, 7) + fractions.Fraction(1.25))
print(statistics.mean([1, 2, 3.5]), statistics.stdev([1, 2, 3, 4]), statistics.median([5, 1, 9]))
print([f"{x:{spec}}" for x in (0, 1.5, -12345.678) for spec in ("g", ".3e", "10.2f", "+", ",")])
print(sys.maxsize, sys.float_info.max, sys.float_info.epsilon, struct.calcsize("P"), sys.byteorder)
print([math.nextafter(1, 2), math.ulp(1), math.remainder(7, 2), math.copysign(1, -0.0), math.ldexp(0.75, 5), math.frexp(10)])

title("random")
random.seed(12345)
print(random.random(), random.randint(1, 100), random.sample(range(100), 5), random.gauss(0, 1), random.choice("abc"))
items = list(range(20))
random.shuffle(items)
print(items, random.getrandbits(100), len(secrets.token_bytes(16)), len(os.urandom(8)), len(str(uuid.uuid4())))

title("hashes and codecs")
data = bytes(range(256)) * 50
for name in sorted(hashlib.algorithms_guaranteed):
    digest = hashlib.new(name, data)
    print(name, digest.hexdigest(16) if name.startswith("shake") else digest.hexdigest())
print(hmac.new(b"key", data, "sha256").hexdigest(), zlib.crc32(data), zlib.adler32(data), binascii.crc_hqx(data, 0))
print(hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 2000).hex(), hashlib.scrypt(b"p", salt=b"s", n=256, r=8, p=1).hex()[:40])
for module in (zlib, gzip, bz2, lzma):
    packed = module.compress(data)
    assert module.decompress(packed) == data
    print(module.__name__, len(packed))
print(base64.b64encode(data[:20]), base64.b85encode(data[:20]), codecs.encode("Hello", "rot13"), "é€😀".encode(), "é".encode("utf-16"))
print(html.escape("<a&b>"), urllib.parse.quote("a b/ü"), urllib.parse.urlsplit("http://u@h:8/p?q#f"), "straße".upper(), "İ".lower())
print(unicodedata.name("é"), unicodedata.normalize("NFD", "é").encode(), "ǆ".title(), "ﬁ".casefold(), "\u0661".isdigit())

title("data")
print(json.dumps({"a": [1, 2.5, None, True], "b": {"c": "ü\n"}}, indent=1, sort_keys=True), json.loads('[1e5, "\\u00e9"]'))
print(pickle.loads(pickle.dumps({"x": (1, [2, {3}])})), len(pickle.dumps(list(range(1000)))), copy.deepcopy([[1], {2: 3}]))
print(struct.pack("<iQdf5s?", -5, 2**63, 1.5, 2.5, b"ab", True).hex(), struct.unpack(">hH", b"\xff\xfe\xff\xfe"))
print(collections.Counter("mississippi").most_common(), collections.OrderedDict(a=1), collections.deque(range(5), 3))
print(heapq.nsmallest(3, [5, 1, 4, 2]), bisect.bisect([1, 3, 5], 3), list(itertools.permutations("abc", 2))[:4], array.array("h", [1, -2]).tobytes())
print(functools.reduce(operator.mul, range(1, 20)), list(itertools.accumulate([1, 2, 3])), [*itertools.product([0, 1], repeat=2)])
text = io.StringIO()
writer = csv.writer(text)
writer.writerows([["a", 'q"uote', "c,d"], [1, 2.5, None]])
print(repr(text.getvalue()), list(csv.reader(io.StringIO(text.getvalue()))))
parser = configparser.ConfigParser()
parser.read_string("[s]\na = 1\nb = %(a)s2\n")
print(dict(parser["s"]))
tree = xml.etree.ElementTree.fromstring("<r><a x='1'>t</a><a x='2'/></r>")
print([element.get("x") for element in tree.iter("a")], xml.etree.ElementTree.tostring(tree))
print(sorted(["b", "A", "c"], key=str.lower), sorted({3: "c", 1: "a"}.items()), max("hello world".split(), key=len))

title("text")
print(re.findall(r"(\w+)@(\w+)\.com", "a@b.com, c@d.com"), re.sub(r"(?P<n>\d+)", lambda m: str(int(m["n"]) * 2), "a1b22"))
print(re.split(r"[,;]\s*", "a, b;c"), bool(re.fullmatch(r"(a|b)*c(?=d)?", "ababc")), re.compile("x", re.I).search("aXb").span())
print(textwrap.fill("the quick brown fox jumps over the lazy dog " * 3, 40), string.Template("$a ${b}").substitute(a=1, b=2))
print("\n".join(difflib.unified_diff("a b c".split(), "a x c".split(), lineterm="")), shlex.split("a 'b c' d\\ e"))
print(pprint.pformat({i: "x" * i for i in range(12)}), "{:>10}|{:^10}|{:*<5}".format("r", "c", "l"), "%5.2f %r %s" % (1.234, "q", None))
print(difflib.get_close_matches("appel", ["ape", "apple", "peach"]), fnmatch.filter(["a.py", "b.c"], "*.py"), keyword.iskeyword("if"))

title("time")
moment = datetime.datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=datetime.timezone.utc)
print(moment.isoformat(), moment + datetime.timedelta(days=365), moment.strftime("%A %d %B %Y %j %U"), moment.timestamp())
print(time.strftime("%Y-%m-%d", time.gmtime(0)), calendar.month(2024, 2), datetime.date.fromisoformat("2020-12-31").isocalendar())
before = time.monotonic()
time.sleep(0.05)
print(0.04 < time.monotonic() - before < 5, time.time() > 1.6e9, time.perf_counter_ns() > 0, time.process_time() > 0)

title("files")
path = pathlib.Path("dir/sub")
path.mkdir(parents=True)
(path / "f.txt").write_text("line\n" * 1000)
os.symlink("f.txt", path / "link")
os.link(path / "f.txt", path / "hard")
print(sorted(map(str, pathlib.Path(".").rglob("*"))), (path / "hard").stat().st_nlink, os.readlink(path / "link"))
print(stat.filemode((path / "f.txt").stat().st_mode), os.path.getsize(path / "f.txt"), os.access(path, os.W_OK), glob.glob("dir/*/*.txt"))
with open("m", "w+b") as file:
    file.truncate(10000)
    with mmap.mmap(file.fileno(), 0) as mapped:
        mapped[5000:5005] = b"hello"
        print(mapped.find(b"hello"), mapped[4999:5006])
    file.seek(5000)
    print(file.read(5), os.fstat(file.fileno()).st_size)
with tarfile.open("t.tar.gz", "w:gz") as tar:
    tar.add("dir")
with tarfile.open("t.tar.gz") as tar:
    print(sorted(tar.getnames()))
with zipfile.ZipFile("z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("x", "y" * 10000)
with zipfile.ZipFile("z.zip") as archive:
    print(archive.testzip(), archive.infolist()[0].file_size, len(archive.read("x")))
shutil.copytree("dir", "copy", symlinks=True)
shutil.rmtree("dir")
print(sorted(os.listdir(".")), sum(len(files) for _, _, files in os.walk("copy")))
with tempfile.TemporaryFile() as file:
    file.write(b"x" * 100000)
    file.seek(-5, 2)
    print(file.read(), file.tell())
with shelve.open("shelf") as shelf:
    shelf["k"] = [1, 2]
with shelve.open("shelf") as shelf:
    print(dict(shelf))
for wrong in ("open('/nothing')", "os.rmdir('copy')", "open('copy')", "os.mkdir('copy')", "os.kill(999999, 0)", "os.listdir('m')"):
    try:
        eval(wrong)
    except OSError as error:
        print(type(error).__name__, errno.errorcode[error.errno])
fcntl.flock(open("m"), fcntl.LOCK_EX | fcntl.LOCK_NB)
print(resource.getrlimit(resource.RLIMIT_CORE)[0] >= 0, os.getcwd().startswith("/tmp/"), os.umask(0o22))

title("sqlite")
base = sqlite3.connect("b.db")
base.execute("create table t(a integer primary key, b text, c real)")
base.executemany("insert into t values(?, ?, ?)", [(i, f"n{i}", i / 7) for i in range(500)])
base.commit()
print(base.execute("select count(*), sum(c), max(b), avg(a) from t where a % 3 = 0").fetchall())
print(base.execute("select b, c from t order by c desc limit 2").fetchall(), base.execute("pragma integrity_check").fetchone())

title("processes and threads")
print(subprocess.run(["sh", "-c", "read x; echo got $x; echo err >&2; exit 3"], input=b"in\n", capture_output=True))
print(subprocess.check_output("seq 5 | tac", shell=True, text=True).split())
try:
    subprocess.run(["sleep", "9"], timeout=0.1)
except subprocess.TimeoutExpired as error:
    print("timeout", error.timeout < 0.2)
child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(child.communicate(b"z" * 200000)[0] == b"z" * 200000, child.returncode)
child = subprocess.Popen(["sleep", "9"])
child.send_signal(signal.SIGINT)
print(child.wait())
results, lock = [], threading.Lock()
tasks = queue.Queue()


def work():
    while (item := tasks.get()) is not None:
        with lock:
            results.append(item * item)


workers = [threading.Thread(target=work) for _ in range(8)]
[worker.start() for worker in workers]
[tasks.put(number) for number in list(range(100)) + [None] * 8]
[worker.join() for worker in workers]
print(sum(results), len(results), threading.active_count())
barrier, event = threading.Barrier(4), threading.Event()
threads = [threading.Thread(target=lambda: (barrier.wait(), event.wait())) for _ in range(3)]
[thread.start() for thread in threads]
barrier.wait()
event.set()
[thread.join(5) for thread in threads]
print(barrier.broken, any(thread.is_alive() for thread in threads))
reader, writer = os.pipe()
pid = os.fork()
if pid == 0:
    os.write(writer, b"from the child")
    os._exit(5)
print(os.read(reader, 100), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
with multiprocessing.get_context("fork").Pool(3) as pool:
    print(pool.map(math.factorial, range(8)))
signal.signal(signal.SIGALRM, lambda number, frame: print("alarm", number))
signal.setitimer(signal.ITIMER_REAL, 0.05)
signal.pause()
left, right = socket.socketpair()
left.sendall(b"over a socket")
print(right.recv(100), select.select([right], [left], [], 0)[1] == [left])
server = socketserver.UnixStreamServer("sock", type("H", (socketserver.StreamRequestHandler,), {"handle": lambda self: self.wfile.write(self.rfile.readline().upper())}))
threading.Thread(target=server.handle_request).start()
client = socket.socket(socket.AF_UNIX)
client.connect("sock")
client.sendall(b"shout\n")
print(client.recv(100))
selector = selectors.DefaultSelector()
selector.register(reader, selectors.EVENT_READ)
os.write(writer, b"!")
print(type(selector).__name__, len(selector.select(1)))

title("language")


@dataclasses.dataclass(order=True)
class Point:
    x: int
    y: float = 0.5


class Colour(enum.Flag):
    RED = enum.auto()
    BLUE = enum.auto()


print(Point(1) < Point(2), Point(3, 4), Colour.RED | Colour.BLUE, isinstance(3, typing.SupportsInt))
match {"kind": "p", "at": [1, 2]}:
    case {"kind": "p", "at": [a, b]}:
        print("matched", a, b)
generator = (i * i for i in range(10) if i % 2)
print(next(generator), list(generator), [*map(lambda x, y: x - y, [5, 6], [1, 2])], sum(1 for _ in range(100000)))
try:
    try:
        1 / 0
    except ZeroDivisionError as error:
        raise ValueError("chained") from error
except ValueError:
    print(traceback.format_exc().splitlines()[-1], traceback.format_exc().count("Traceback"))
try:
    (lambda f: f(f))(lambda f: f(f))
except RecursionError as error:
    print(type(error).__name__)
print(ast.unparse(ast.parse("a = 1+2*3")), eval("2**10"), compile("1", "f", "eval").co_consts, inspect.signature(open).parameters["mode"])
weak = weakref.WeakValueDictionary()
weak["k"] = held = Point(1)
del held
gc.collect()
print(len(weak), ctypes.sizeof(ctypes.c_long), ctypes.CDLL(None).abs(-5), ctypes.c_int8(300).value)
print(sys.getrefcount(object()) > 0, platform.system(), locale.getpreferredencoding(), sys.getrecursionlimit())
print(timeit.timeit("pass", number=10) >= 0, [token.string for token in tokenize.generate_tokens(io.StringIO("a+1").readline)][:3])
with contextlib.redirect_stdout(io.StringIO()) as captured:
    print("captured")
print(captured.getvalue().strip(), [w for w in "the cat sat".split() if w > "d"], sum(i % 7 for i in range(200000)))
logging.basicConfig(stream=sys.stdout, format="%(levelname)s:%(message)s")
logging.warning("warned %d", 5)


class Tests(unittest.TestCase):
    def test_passes(self):
        self.assertEqual(1, 1)

    def test_fails(self):
        self.assertEqual(1, 2)


outcome = unittest.TextTestRunner(stream=io.StringIO()).run(unittest.defaultTestLoader.loadTestsFromTestCase(Tests))
print(outcome.testsRun, len(outcome.failures), len(outcome.errors))
