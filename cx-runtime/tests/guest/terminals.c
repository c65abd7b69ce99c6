// Pseudo-terminals: modes, editing, characters that send signals, sizes, hang-ups, sessions and their groups.
#include "cases.h"
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

static int master, slave;
static char name[64];

static void open_pair(void) {
    master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    grantpt(master);
    unlockpt(master);
    ptsname_r(master, name, sizeof name);
    slave = open(name, O_RDWR | O_NOCTTY);
}

// Linux hands bytes from one side to the other in the background: nothing tells when that is done.
static void settle(void) {
    sleep_ms(100);
}

// What can be read now, with control characters made visible.
static void say_read(const char *what, int fd) {
    char buffer[256];
    if (fd == master) settle();
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    errno = 0;
    long size = read(fd, buffer, sizeof buffer);
    int error = errno;
    fcntl(fd, F_SETFL, flags);
    printf("%s: ", what);
    if (size < 0) puts(strerrorname_np(error));
    for (long i = 0; i < size; i++) {
        unsigned char c = buffer[i];
        if (c < 32 || c == 127)
            printf("^%c", c ^ 64);
        else
            printf(c < 128 ? "%c" : "\\%o", c);
    }
    if (size >= 0) printf(" (%ld)\n", size);
}

static void type(const char *text) {
    write(master, text, strlen(text));
    settle();
}

static void change(int fd, unsigned on, unsigned off) {
    struct termios t;
    tcgetattr(fd, &t);
    t.c_lflag = (t.c_lflag | on) & ~off;
    tcsetattr(fd, TCSANOW, &t);
}

static void modes(void) {
    struct termios t;
    SAY(posix_openpt(O_RDWR | O_NOCTTY) >= 0);
    int locked = posix_openpt(O_RDWR | O_NOCTTY);
    ptsname_r(locked, name, sizeof name);
    SAY(open(name, O_RDWR | O_NOCTTY));
    open_pair();
    printf("slave %d\n", slave >= 0);
    SAY(isatty(master));
    SAY(isatty(slave));
    SAY(tcgetattr(slave, &t));
    printf("%x %x %x %x\n", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag);
    for (int i = 0; i < 17; i++)
        printf("%d ", t.c_cc[i]);
    puts("");
    printf("speed %d\n", cfgetospeed(&t) == B38400);
    int end[2];
    pipe(end);
    SAY(tcgetattr(end[0], &t));
    tcgetattr(slave, &t);
    t.c_lflag &= ~ECHO;
    SAY(tcsetattr(slave, TCSADRAIN, &t));
    SAY(tcgetattr(master, &t));
    printf("the same %d\n", !(t.c_lflag & ECHO));
    SAY(tcsetattr(slave, 99, &t));
    SAY(tcflush(slave, TCIOFLUSH));
    SAY(tcflush(slave, 99));
    SAY(tcdrain(slave));
    SAY(tcsendbreak(slave, 0));
    SAY(tcflow(slave, TCOOFF));
    fcntl(slave, F_SETFL, O_NONBLOCK);
    SAY(write(slave, "held", 4));
    SAY(tcflow(slave, TCOON));
    SAY(write(slave, "let go", 6));
    say_read("master", master);
    int value;
    SAY(ioctl(master, FIONREAD, &value));
    type("four\n");
    SAY(ioctl(slave, FIONREAD, &value));
    printf("readable %d\n", value);
    SAY(ioctl(slave, TIOCOUTQ, &value));
    SAY(ioctl(slave, 0x5499, &value));
    struct stat st;
    fstat(slave, &st);
    printf("%o gid %d\n", st.st_mode, st.st_gid);
    SAY(ioctl(master, TIOCGPTN, &value));
    SAY(ioctl(slave, TIOCGPTN, &value));
    SAY(ioctl(slave, TIOCGETD, &value));
    SAY(lseek(slave, 0, SEEK_SET));
}

static void canonical(void) {
    open_pair();
    type("line\n");
    say_read("echo", master);
    say_read("line", slave);
    type("part");
    say_read("part of a line", slave);
    type("ial\nnext\n");
    say_read("one line at a time", slave);
    say_read("the next", slave);
    say_read("echoes", master);
    type("wrong\x7f\x7fX\n");
    say_read("erased", slave);
    say_read("echo of erasing", master);
    type("one two\x17three\n");
    say_read("word erased", slave);
    say_read("echo", master);
    type("all of it\x15kept\n");
    say_read("line killed", slave);
    say_read("echo", master);
    type("lit\x16\x7f\x16\x03\n");
    say_read("literal", slave);
    say_read("echo", master);
    type("ctl\x01\t\n");
    say_read("control characters", slave);
    say_read("echo", master);
    type("eof\x04");
    say_read("end of file after text", slave);
    type("\x04");
    say_read("end of file", slave);
    type("reprint\x12\n");
    say_read("reprinted", slave);
    say_read("echo", master);
    type("\x7f\n");
    say_read("nothing to erase", slave);
    say_read("echo", master);
    // A short read leaves the rest of the line.
    char three[3];
    type("abcdef\n");
    SAY(read(slave, three, 3));
    say_read("the rest", slave);
    say_read("echo", master);
    write(slave, "out\nput\tx\r\n", 11);
    say_read("output", master);
    struct termios t;
    tcgetattr(slave, &t);
    t.c_iflag |= INLCR | ISTRIP;
    t.c_iflag &= ~ICRNL;
    t.c_cc[VEOL] = '|';
    tcsetattr(slave, TCSANOW, &t);
    type("cr\rnl|");
    say_read("other end of line", slave);
    say_read("echo", master);
    t.c_iflag = ICRNL | IGNCR | IUCLC;
    t.c_lflag = ICANON | IEXTEN;
    t.c_oflag = OPOST | ONLCR | OCRNL | OLCUC;
    tcsetattr(slave, TCSANOW, &t);
    type("IGNORED\rCR\n");
    say_read("case", slave);
    say_read("no echo", master);
    write(slave, "up\rper\n", 7);
    say_read("output", master);
    // More than a line can hold.
    t.c_iflag = 0;
    tcsetattr(slave, TCSANOW, &t);
    char *longer = malloc(5001);
    memset(longer, 'x', 5000);
    longer[5000] = '\n';
    fcntl(master, F_SETFL, O_NONBLOCK);
    printf("took it %d\n", write(master, longer, 5001) > 4000);
    long size = read(slave, longer, 5001);
    printf("got %ld\n", size);
}

static void raw(void) {
    struct termios t;
    open_pair();
    tcgetattr(slave, &t);
    cfmakeraw(&t);
    t.c_cc[VMIN] = 1;
    t.c_cc[VTIME] = 0;
    tcsetattr(slave, TCSANOW, &t);
    type("a\x03\x04\n");
    say_read("raw", slave);
    say_read("no echo", master);
    write(slave, "x\ny", 3);
    say_read("output", master);
    char buffer[16];
    // Neither a least number nor a time: what is there.
    t.c_cc[VMIN] = 0;
    tcsetattr(slave, TCSANOW, &t);
    SAY(read(slave, buffer, 16));
    type("ab");
    SAY(read(slave, buffer, 16));
    // A time: it ends without data.
    t.c_cc[VTIME] = 2;
    tcsetattr(slave, TCSANOW, &t);
    long before = now_ms();
    SAY(read(slave, buffer, 16));
    printf("waited %d\n", now_ms() - before >= 190);
    pid_t child;
    t.c_cc[VTIME] = 200;
    tcsetattr(slave, TCSANOW, &t);
    IN_CHILD (child) {
        until_asleep(getppid());
        type("soon");
    }
    SAY(read(slave, buffer, 16));
    wait_for(child);
    // A least number: it waits for so many.
    t.c_cc[VMIN] = 4;
    t.c_cc[VTIME] = 0;
    tcsetattr(slave, TCSANOW, &t);
    type("ab");
    struct pollfd p = {slave, POLLIN, 0};
    SAY(poll(&p, 1, 0));
    IN_CHILD (child) {
        until_asleep(getppid());
        type("cdef");
    }
    SAY(read(slave, buffer, 16));
    wait_for(child);
    // A time between bytes.
    t.c_cc[VMIN] = 10;
    t.c_cc[VTIME] = 2;
    tcsetattr(slave, TCSANOW, &t);
    type("few");
    SAY(read(slave, buffer, 16));
    // A change of mode keeps what was typed.
    t.c_cc[VMIN] = 1;
    t.c_cc[VTIME] = 0;
    tcsetattr(slave, TCSANOW, &t);
    type("kept");
    t.c_lflag |= ICANON;
    tcsetattr(slave, TCSANOW, &t);
    type("\n");
    say_read("across modes", slave);
    type("flushed");
    SAY(tcsetattr(slave, TCSAFLUSH, &t));
    type("not\n");
    say_read("after a flush", slave);
}

static void packets(void) {
    open_pair();
    int on = 1;
    SAY(ioctl(master, TIOCPKT, &on));
    write(slave, "data", 4);
    say_read("data", master);
    tcflush(slave, TCIFLUSH);
    say_read("flushed input", master);
    tcflow(slave, TCOOFF);
    say_read("stopped", master);
    tcflow(slave, TCOON);
    say_read("started", master);
    struct termios t;
    tcgetattr(slave, &t);
    t.c_iflag &= ~IXON;
    tcsetattr(slave, TCSANOW, &t);
    say_read("no stop character", master);
    struct pollfd p = {master, POLLIN | POLLPRI, 0};
    SAY(poll(&p, 1, 0));
    tcflush(slave, TCOFLUSH);
    SAY(poll(&p, 1, 0));
    printf("%x\n", p.revents);
    say_read("flushed output", master);
    on = 0;
    ioctl(master, TIOCPKT, &on);
    write(slave, "plain", 5);
    say_read("plain", master);
}

static void ends(void) {
    char c;
    open_pair();
    write(slave, "last", 4);
    close(slave);
    say_read("left", master);
    say_read("slave gone", master);
    struct pollfd p = {master, POLLIN | POLLOUT, 0};
    SAY(poll(&p, 1, 0));
    printf("%x\n", p.revents);
    slave = open(name, O_RDWR | O_NOCTTY);
    SAY(slave >= 0);
    SAY(poll(&p, 1, 0));
    printf("%x\n", p.revents);
    type("typed\n");
    close(master);
    say_read("master gone", slave);
    SAY(write(slave, "x", 1));
    p = (struct pollfd){slave, POLLIN | POLLOUT, 0};
    SAY(poll(&p, 1, 0));
    printf("%x\n", p.revents);
    struct termios t;
    SAY(tcgetattr(slave, &t));
    SAY(open(name, O_RDWR));
    // A reader is woken by the hang-up.
    open_pair();
    pid_t child;
    IN_CHILD (child) {
        close(master);
        SAY(read(slave, &c, 1));
    }
    until_asleep(child);
    close(master);
    wait_for(child);
    open_pair();
    int exclusive = open(name, O_RDWR | O_NOCTTY);
    SAY(ioctl(exclusive, TIOCEXCL));
    IN_CHILD (child) {
        setuid(5);
        SAY(open(name, O_RDWR | O_NOCTTY));
    }
    wait_for(child);
    SAY(ioctl(exclusive, TIOCNXCL));
}

static volatile int last, count;
static void note(int signal) {
    last = signal;
    count++;
}

// Becomes the leader of a session that has the terminal.
static void take_terminal(void) {
    setsid();
    ioctl(slave, TIOCSCTTY, 0);
}

static void say_got(const char *what) {
    for (int i = 0; i < 400 && !count; i++)
        sleep_ms(10);
    printf("%s: signal %d\n", what, last);
    count = last = 0;
}

static void characters(void) {
    open_pair();
    pid_t child;
    IN_CHILD (child) {
        take_terminal();
        signal(SIGINT, note);
        signal(SIGQUIT, note);
        signal(SIGTSTP, note);
        signal(SIGWINCH, note);
        type("typed");
        say_read("echo", master);
        type("\x03");
        say_got("interrupt");
        say_read("what was typed is gone", slave);
        say_read("echo", master);
        type("\x1c");
        say_got("quit");
        type("\x1a");
        say_got("stop");
        say_read("echo", master);
        change(slave, NOFLSH, 0);
        type("kept\x03\n");
        say_got("interrupt");
        say_read("kept", slave);
        change(slave, 0, ISIG);
        type("\x03\n");
        say_read("no signals", slave);
        change(slave, ISIG, 0);
        say_read("echo", master);
        struct winsize size = {24, 80, 0, 0};
        SAY(ioctl(master, TIOCSWINSZ, &size));
        say_got("size");
        SAY(ioctl(master, TIOCSWINSZ, &size));
        sleep_ms(100);
        printf("the same size: %d\n", count);
        size.ws_row = 50;
        SAY(ioctl(slave, TIOCSWINSZ, &size));
        say_got("size");
        SAY(ioctl(master, TIOCGWINSZ, &size));
        printf("%d %d\n", size.ws_row, size.ws_col);
        SAY(ioctl(slave, TIOCSTI, "x") <= 0 ? 0 : 1);
        // Stop and start characters.
        fcntl(slave, F_SETFL, O_NONBLOCK);
        type("\x13");
        SAY(write(slave, "held", 4));
        type("\x11");
        SAY(write(slave, "let go", 6));
        say_read("output", master);
        // A signal sent through the master.
        SAY(ioctl(master, TIOCSIG, SIGQUIT));
        say_got("sent");
        SAY(ioctl(master, TIOCSIG, 99));
    }
    say_status("session", wait_for(child));
}

static void sessions(void) {
    open_pair();
    SAY(tcgetpgrp(slave));
    SAY(tcgetsid(slave));
    SAY(tcsetpgrp(slave, getpgrp()));
    SAY(ioctl(slave, TIOCSCTTY, 0));
    pid_t child;
    IN_CHILD (child) {
        setsid();
        SAY(open("/dev/tty", O_RDWR));
        SAY(ioctl(slave, TIOCSCTTY, 0));
        SAY(ioctl(slave, TIOCSCTTY, 0));
        SAY(open("/dev/tty", O_RDWR) > 2);
        SAY(tcgetpgrp(slave) == getpgrp());
        SAY(tcgetsid(slave) == getsid(0));
        SAY(tcgetsid(master) == getsid(0));
        SAY(tcsetpgrp(slave, 999999));
        SAY(tcsetpgrp(slave, getppid()));
        SAY(tcsetpgrp(slave, -1));
        // Another session cannot have it too, unless root takes it away.
        pid_t other;
        IN_CHILD (other) {
            setsid();
            SAY(ioctl(slave, TIOCSCTTY, 0));
            SAY(tcgetpgrp(slave));
        }
        wait_for(other);
        // A background group: reading stops it, writing only with TOSTOP.
        int status;
        pid_t background;
        IN_CHILD (background) {
            setpgid(0, 0);
            char c;
            write(slave, "background\n", 11);
            SAY(read(slave, &c, 1));
        }
        waitpid(background, &status, WUNTRACED);
        say_status("read", status);
        say_read("written", master);
        SAY(tcsetpgrp(slave, background));
        type("y\n");
        kill(background, SIGCONT);
        say_status("in the foreground", wait_for(background));
        signal(SIGTTOU, SIG_IGN);
        SAY(tcsetpgrp(slave, getpgrp()));
        signal(SIGTTOU, SIG_DFL);
        change(slave, TOSTOP, ECHO);
        IN_CHILD (background) {
            setpgid(0, 0);
            write(slave, "x", 1);
        }
        waitpid(background, &status, WUNTRACED);
        say_status("write", status);
        kill(background, SIGKILL);
        wait_for(background);
        IN_CHILD (background) {
            setpgid(0, 0);
            change(slave, ECHO, 0);
        }
        waitpid(background, &status, WUNTRACED);
        say_status("change of modes", status);
        kill(background, SIGKILL);
        wait_for(background);
        IN_CHILD (background) {
            setpgid(0, 0);
            char c;
            signal(SIGTTIN, SIG_IGN);
            SAY(read(slave, &c, 1));
            signal(SIGTTOU, SIG_IGN);
            SAY(write(slave, "z", 1));
            sigset_t set;
            sigemptyset(&set);
            sigaddset(&set, SIGTTIN);
            sigprocmask(SIG_BLOCK, &set, 0);
            signal(SIGTTIN, SIG_DFL);
            SAY(read(slave, &c, 1));
        }
        say_status("ignored and blocked", wait_for(background));
        // Giving the terminal up.
        SAY(ioctl(slave, TIOCNOTTY));
        SAY(open("/dev/tty", O_RDWR));
        SAY(ioctl(slave, TIOCNOTTY));
    }
    say_status("session", wait_for(child));
}

static void hang_ups(void) {
    int gate[2];
    pipe(gate);
    open_pair();
    pid_t leader;
    // The end of a session's leader: its foreground group is told.
    IN_CHILD (leader) {
        take_terminal();
        pid_t child;
        IN_CHILD (child) {
            signal(SIGHUP, note);
            release(gate);
            say_got("the leader ended");
            SAY(open("/dev/tty", O_RDWR));
            release(gate);
        }
        pass(gate);
    }
    int status = wait_for(leader);
    pass(gate);
    say_status("leader", status);
    // The end of the master: the leader is told.
    open_pair();
    IN_CHILD (leader) {
        take_terminal();
        close(master);
        signal(SIGHUP, note);
        release(gate);
        say_got("the master closed");
    }
    pass(gate);
    close(master);
    say_status("leader", wait_for(leader));
    // A group whose last parent outside goes, with a stopped member: hang-up and continue.
    pid_t parent;
    IN_CHILD (parent) {
        setsid();
        pid_t stopped, middle;
        IN_CHILD (middle) {
            setpgid(0, 0);
            IN_CHILD (stopped) {
                struct sigaction action = {.sa_handler = note};
                sigaction(SIGHUP, &action, 0);
                raise(SIGSTOP);
                printf("continued, signal %d\n", last);
                raise(SIGTSTP);
                puts("an orphaned group does not stop");
                fflush(stdout);
                release(gate);
            }
            int status;
            waitpid(stopped, &status, WUNTRACED);
            say_status("member", status);
            fflush(stdout);
            // As this process ends, the group has no parent outside it.
        }
        wait_for(middle);
    }
    wait_for(parent);
    pass(gate);
}

MAIN(TEST(modes), TEST(canonical), TEST(raw), TEST(packets), TEST(ends), TEST(characters), TEST(sessions),
     TEST(hang_ups))
