/* Making a child. A seccomp filter can answer clone(2) with any number and make no child: with
 * 0, the caller would take itself for the child. But where there is a child, the kernel writes
 * its number into the memory of both, and nothing else does. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* clone(2) */
#endif
#include "clone.h"

#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "look.h"

/* What the kernel wrote into the memory of each. */
struct made {
    pid_t in_parent, in_child;
};

/* With no signal for the end of a child. With exec, that becomes SIGCHLD by itself. */
#define FLAGS (CLONE_VFORK | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID)

/* The child, or -1 and errno. */
static pid_t child_of(const struct made *made, long answer)
{
    if (made->in_parent)
        return made->in_parent;
    if (answer != -1)
        errno = ENOTRECOVERABLE; /* it was only said that there is a child */
    return -1;
}

/* ---- what is known of the processor ---- */

/* clone(2) with no other stack, in the processor's order of its arguments. */
#if defined(__x86_64__) || defined(__alpha__) || defined(__m68k__) || defined(__sh__)
#define CLONE(flags, parent, child) syscall(SYS_clone, flags, 0L, parent, child, 0L)
#elif defined(__i386__) || defined(__arm__) || defined(__aarch64__) || defined(__powerpc__)      \
    || defined(__riscv) || defined(__mips__) || defined(__loongarch__) || defined(__hppa__)
#define CLONE(flags, parent, child) syscall(SYS_clone, flags, 0L, parent, 0L, child)
#elif defined(__s390__)
#define CLONE(flags, parent, child) syscall(SYS_clone, 0L, flags, parent, child, 0L)
#elif defined(__microblaze__)
#define CLONE(flags, parent, child) syscall(SYS_clone, flags, 0L, 0L, parent, child, 0L)
#endif

/* As syscall(2); the child, if it is one, begins on its own stack. */
#if defined(__x86_64__) && defined(__LP64__)
#define HAS_ENTRY
static long enter(unsigned long flags, const struct lp_beginning *begin, struct made *made)
{
    register pid_t *in_child __asm__("r10") = &made->in_child;
    register unsigned long tls __asm__("r8") = 0;
    register int (*code)(void *) __asm__("r12") = begin->code;
    register void *argument __asm__("r13") = begin->argument;
    long answer = SYS_clone;

    __asm__ volatile("syscall\n\t"
                     "testq %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "cmpl $0, (%[in_child])\n\t"
                     "je 1f\n\t"
                     "xorl %%ebp, %%ebp\n\t"
                     "movq %[argument], %%rdi\n\t"
                     "callq *%[code]\n\t"
                     "hlt\n"
                     "1:"
                     : "+a"(answer)
                     : "D"(flags), "S"(begin->stack + begin->stack_size), "d"(&made->in_parent),
                       [in_child] "r"(in_child), "r"(tls), [code] "r"(code),
                       [argument] "r"(argument)
                     : "rcx", "r11", "cc", "memory");
    return answer;
}
#elif defined(__aarch64__) && defined(__LP64__)
#define HAS_ENTRY
static long enter(unsigned long flags, const struct lp_beginning *begin, struct made *made)
{
    register long answer __asm__("x0") = (long)flags;
    register char *stack __asm__("x1") = begin->stack + begin->stack_size;
    register pid_t *in_parent __asm__("x2") = &made->in_parent;
    register unsigned long tls __asm__("x3") = 0;
    register pid_t *in_child __asm__("x4") = &made->in_child;
    register long number __asm__("x8") = SYS_clone;
    register int (*code)(void *) __asm__("x19") = begin->code;
    register void *argument __asm__("x20") = begin->argument;

    __asm__ volatile("svc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "ldr w9, [%[in_child]]\n\t"
                     "cbz w9, 1f\n\t"
                     "mov x29, #0\n\t"
                     "mov x0, %[argument]\n\t"
                     "blr %[code]\n\t"
                     "brk #1\n"
                     "1:"
                     : "+r"(answer)
                     : "r"(stack), "r"(in_parent), "r"(tls), [in_child] "r"(in_child),
                       "r"(number), [code] "r"(code), [argument] "r"(argument)
                     : "x9", "cc", "memory");
    return answer;
}
#endif

/* Where a stack grows the other way, where there are two, and where the C library changes the
 * pid that it keeps in memory, that is not used. */
#if defined(__hppa__) || defined(__ia64__)
#define NO_LIBRARY
#elif defined(__GLIBC__)
#if !__GLIBC_PREREQ(2, 25)
#define NO_LIBRARY
#endif
#endif

#if !defined(HAS_ENTRY) || !defined(CLONE)
/* By the C library, which knows the order of the arguments, and how a child begins. If a filter
 * answers it with 0, it would run the child's code in the parent. */
static pid_t clone_by_library(const struct lp_beginning *begin, int flags)
{
    struct made made = {0, 0};
    long answer = -1;

#ifndef NO_LIBRARY
    if (!lp_filtered()) {
        answer = clone(begin->code, begin->stack + begin->stack_size, flags, begin->argument,
                       &made.in_parent, NULL, &made.in_child);
        return child_of(&made, answer);
    }
#endif
    errno = ENOSYS;
    return child_of(&made, answer);
}
#endif

/* ---- sharing the memory ---- */

#define MOST_ERRNO 4095

pid_t lp_clone_sharing(const struct lp_beginning *begin)
{
#ifdef HAS_ENTRY
    struct made made = {0, 0};
    long answer = enter(CLONE_VM | FLAGS, begin, &made);

    if (answer < 0 && answer >= -MOST_ERRNO) {
        errno = (int)-answer;
        answer = -1;
    }
    return child_of(&made, answer);
#else
    return clone_by_library(begin, CLONE_VM | FLAGS);
#endif
}

/* ---- a copy of the memory ---- */

/* Without the C library's handlers for fork: they do what only a child needs that goes on. */
pid_t lp_clone_copying(const struct lp_beginning *begin)
{
#ifdef CLONE
    struct made made = {0, 0};
    const long answer = CLONE((unsigned long)FLAGS, &made.in_parent, &made.in_child);

    if (made.in_child) {
        (void)begin->code(begin->argument);
        _exit(127);
    }
    return child_of(&made, answer);
#else
    return clone_by_library(begin, FLAGS);
#endif
}
