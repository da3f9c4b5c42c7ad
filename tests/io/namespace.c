/* SPDX-License-Identifier: MIT
 *
 * Runs a program in user, mount and network namespaces of its own: loopback is up, nothing else is
 * there, and names are asked of 127.0.0.1 alone, which answers if the program does. Then
 * PINION_TEST_NAMESPACE is set. Where that is denied it says why, and runs the program as it is.
 * A program of its own, since one that a sanitizer has begun has threads, and then may not.
 *
 * usage: namespace PROGRAM [ARGUMENT...]
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static bool write_all(int file, const char *text)
{
    const size_t bytes = strlen(text);
    return file >= 0 && write(file, text, bytes) == (ssize_t)bytes && close(file) == 0;
}

static bool write_to(const char *path, const char *text)
{
    return write_all(open(path, O_WRONLY | O_CLOEXEC), text);
}

static bool enter(void)
{
    char users[32], groups[32];
    (void)snprintf(users, sizeof users, "0 %u 1", getuid());
    (void)snprintf(groups, sizeof groups, "0 %u 1", getgid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) == 0 &&
           write_to("/proc/self/uid_map", users) && write_to("/proc/self/setgroups", "deny") &&
           write_to("/proc/self/gid_map", groups) &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static bool raise_loopback(void)
{
    struct ifreq request = {.ifr_flags = IFF_UP | IFF_RUNNING};
    (void)strcpy(request.ifr_name, "lo");
    const int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return any >= 0 && ioctl(any, SIOCSIFFLAGS, &request) == 0 && close(any) == 0;
}

/* The file at path reads so, here. */
static bool replace(const char *path, const char *text)
{
    char other[] = "/tmp/pinion-namespace-XXXXXX";
    const int file = mkstemp(other);
    const bool is_there = fchmod(file, 0644) == 0 && write_all(file, text) &&
                          mount(other, path, NULL, MS_BIND, NULL) == 0;
    const int saved = errno;
    (void)unlink(other);
    errno = saved;
    return is_there;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    if (enter() && raise_loopback() &&
        replace("/etc/resolv.conf",
                "nameserver 127.0.0.1\nsearch .\noptions timeout:1 attempts:1\n") &&
        replace("/etc/nsswitch.conf", "hosts: files dns\nservices: files\n"))
        (void)setenv("PINION_TEST_NAMESPACE", "1", 1);
    else
        (void)fprintf(stderr, "namespaces of its own are denied: %s\n", strerror(errno));
    (void)execv(argv[1], argv + 1);
    (void)fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
    return 1;
}
