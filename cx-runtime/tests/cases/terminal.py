# usage: terminal.py PROGRAM LINES...
#
# PROGRAM `stty`: each line is run by sh on a terminal of its own. Otherwise PROGRAM is started on a terminal, the
# lines are typed at it one by one, each once the one before was answered, and what it shows is printed.
import os, pty, select, signal, struct, sys, fcntl, termios, time


def start(command, columns=80):
    pid, master = pty.fork()
    if pid == 0:
        os.environ["PS1"] = "$ "
        os.execvp(command[0], command)
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    return pid, master


def collect(master, until=None, seconds=20.0):
    """What is shown until the text comes, or until the terminal is closed."""
    shown = b""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ready, _, _ = select.select([master], [], [], 0.1)
        if not ready:
            continue
        try:
            more = os.read(master, 4096)
        except OSError:
            break
        if not more:
            break
        shown += more
        if until is not None and shown.endswith(until):
            break
    return shown


def show(data):
    sys.stdout.write(data.decode(errors="replace").replace("\r\n", "\n").replace("\r", "<CR>").replace("\x1b", "<ESC>"))
    sys.stdout.flush()


if sys.argv[1] == "stty":
    for line in sys.argv[2:]:
        print("==", line, flush=True)
        # The size is set before the program asks: it waits for a line.
        pid, master = start(["sh", "-c", "read go; " + line])
        os.write(master, b"go\n")
        show(collect(master))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
else:
    command = sys.argv[1].split()
    prompt = sys.argv[2].encode()
    pid, master = start(command)
    show(collect(master, prompt))
    for line in sys.argv[3:]:
        # ^X is the control character X. A line that ends in a backslash is not ended by return; one that ends in @
        # is, but no prompt is waited for.
        data = line.encode()
        for letter in b"CDZUWHAEKL":
            data = data.replace(b"^" + bytes([letter]), bytes([letter & 31]))
        waits = not data.endswith(b"@")
        data = data[:-1] if data[-1:] in (b"@", b"\\") else data + b"\r"
        os.write(master, data if waits else data + b"\r")
        show(collect(master, prompt if waits else None, 20.0 if waits else 0.7))
    os.write(master, b"\x04")
    show(collect(master))
    print("status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
