/* Reads the status file of every process, and does nothing with it. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    static char text[65536];
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    long count = 0;

    if (!proc)
        return 1;
    while ((entry = readdir(proc))) {
        char path[300];
        int fd;

        if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
            continue;
        snprintf(path, sizeof path, "/proc/%s/status", entry->d_name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        if (read(fd, text, sizeof text) > 0)
            count++;
        close(fd);
    }
    printf("%ld\n", count);
    return closedir(proc);
}
