/* What bench/spawn compares with: fork, the steps of bench/setpriv.c and exec, in C and in the
 * process that calls it, with whatever memory that has. */
#include "setpriv.c"

void forked_steps_and_exec(void)
{
    int status;
    pid_t pid = fork();

    must(pid < 0, "fork");
    if (pid == 0)
        steps_and_exec();
    must(waitpid(pid, &status, 0) != pid || status != 0, "child");
}
