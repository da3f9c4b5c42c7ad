/* SPDX-License-Identifier: MIT
 *
 * The terminal of pinion top. It is left as it was found, whichever way the command ends.
 */
#include "top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "output.h"

static struct {
    bool has_screen, has_keys, is_on;
    int signals;
    struct termios before;
} terminal = {.signals = -1};

bool top_screen_is_there(void)
{
    const char *term = getenv("TERM");
    return isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

static unsigned columns_wanted(void)
{
    const char *text = getenv("COLUMNS");
    const unsigned long columns = text ? strtoul(text, NULL, 10) : 0;
    return columns < 10000 ? (unsigned)columns : 0;
}

void top_screen_size(unsigned *columns, unsigned *lines)
{
    struct winsize size;
    *columns = columns_wanted();
    *lines = 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col || !size.ws_row)
        return;
    *columns = size.ws_col;
    *lines = size.ws_row;
}

/* ---- coming and going ---- */

static void write_now(const char *text)
{
    (void)fputs(text, stdout);
    (void)fflush(stdout);
}

/* No line is waited for, and none is echoed; Ctrl-C and Ctrl-Z stay signals, but don't drop what is
 * on its way to the terminal: it may be what gives that back. */
static void take(void)
{
    struct termios raw = terminal.before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_lflag |= NOFLSH;
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    if (terminal.has_keys)
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    write_now("\033[?1049h\033[?25l"); /* the other screen, no cursor */
    terminal.is_on = true;
}

static void give_back(void)
{
    if (!terminal.is_on)
        return;
    write_now("\033[?25h\033[?1049l");
    if (terminal.has_keys)
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal.before);
    terminal.is_on = false;
}

/* In the foreground: one that reads a terminal in the background is stopped. */
static bool has_keys(void)
{
    return isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp() &&
           tcgetattr(STDIN_FILENO, &terminal.before) == 0;
}

static bool is_ignored(int number)
{
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

bool top_screen_begin(bool has_screen)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH};
    sigset_t set;
    (void)sigemptyset(&set);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (!is_ignored(numbers[i]) && (has_screen || numbers[i] != SIGTSTP))
            (void)sigaddset(&set, numbers[i]);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    terminal.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (terminal.signals < 0) {
        complain("no signals can be waited for: %s", strerror(errno));
        return false;
    }
    terminal.has_screen = has_screen;
    terminal.has_keys = has_screen && has_keys();
    if (has_screen)
        take();
    return true;
}

void top_screen_end(void)
{
    give_back();
    if (terminal.signals >= 0)
        (void)close(terminal.signals);
    terminal.signals = -1;
}

void top_screen_draw(const struct top_lines *text)
{
    unsigned columns, lines;
    top_screen_size(&columns, &lines);
    (void)fputs("\033[H", stdout);
    for (unsigned i = 0; i < text->count && (!lines || i < lines); i++)
        (void)printf("%s%s%s%s\033[K", i ? "\r\n" : "", text->are_heads[i] ? bold(stdout) : "",
                     text->lines[i], text->are_heads[i] ? plain(stdout) : "");
    write_now("\033[J");
}

/* ---- what happens ---- */

static int milliseconds_until(int64_t until)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    const int64_t left = until - ((int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
    const int64_t whole = (left + 999999) / 1000000;
    return left <= 0 ? 0 : whole > 1000000 ? 1000000 : (int)whole;
}

static void stop(void)
{
    give_back();
    (void)kill(getpid(), SIGSTOP); /* here it goes on */
    take();
}

static enum top_event of_signal(void)
{
    struct signalfd_siginfo info;
    if (read(terminal.signals, &info, sizeof info) != sizeof info)
        return TOP_RESIZED;
    if (info.ssi_signo == SIGTSTP)
        stop();
    return info.ssi_signo == SIGWINCH || info.ssi_signo == SIGTSTP ? TOP_RESIZED : TOP_INTERRUPTED;
}

enum top_event top_screen_wait(int64_t until, char *key)
{
    struct pollfd sources[2] = {{terminal.signals, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    for (;;) {
        const int count = poll(sources, terminal.has_keys ? 2 : 1, milliseconds_until(until));
        if (count == 0 && milliseconds_until(until) == 0)
            return TOP_TIME;
        if (count <= 0)
            continue;
        if (sources[0].revents)
            return of_signal();
        if (read(STDIN_FILENO, key, 1) == 1)
            return TOP_KEY;
        terminal.has_keys = false; /* it was hung up */
    }
}
