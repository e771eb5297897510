/* A system call, as syscall(2) makes it, without a function of the C library on the way. */
#ifndef LP_SYSTEM_CALL_H
#define LP_SYSTEM_CALL_H

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Kernels that keep one process from seeing into another leave nothing of what the processor
 * knew of where functions return to. So after a system call each return costs 6 ns, of the 40
 * that perl takes for a call of a function: what is called often is one function with what
 * calls it. */
#define LP_INLINE static inline __attribute__((always_inline))

/* A perl with DEBUGGING makes nothing of the word `register', and so of the names of registers:
 * the kernel would read arguments that nobody wrote. */
#pragma push_macro("register")
#undef register

#if defined(__x86_64__) && defined(__LP64__)
#define LP_HAS_ENTRY
LP_INLINE long lp_enter_kernel(long number, unsigned long arg1, unsigned long arg2,
                               unsigned long arg3, unsigned long arg4, unsigned long arg5)
{
    register unsigned long fourth __asm__("r10") = arg4;
    register unsigned long fifth __asm__("r8") = arg5;
    long answer = number;

    __asm__ volatile("syscall"
                     : "+a"(answer)
                     : "D"(arg1), "S"(arg2), "d"(arg3), "r"(fourth), "r"(fifth)
                     : "rcx", "r11", "cc", "memory");
    return answer;
}
#elif defined(__aarch64__) && defined(__LP64__)
#define LP_HAS_ENTRY
LP_INLINE long lp_enter_kernel(long number, unsigned long arg1, unsigned long arg2,
                               unsigned long arg3, unsigned long arg4, unsigned long arg5)
{
    register long answer __asm__("x0") = (long)arg1;
    register unsigned long second __asm__("x1") = arg2;
    register unsigned long third __asm__("x2") = arg3;
    register unsigned long fourth __asm__("x3") = arg4;
    register unsigned long fifth __asm__("x4") = arg5;
    register long call __asm__("x8") = number;

    __asm__ volatile("svc #0"
                     : "+r"(answer)
                     : "r"(second), "r"(third), "r"(fourth), "r"(fifth), "r"(call)
                     : "cc", "memory");
    return answer;
}
#endif

#pragma pop_macro("register")

LP_INLINE long lp_system_call(long number, unsigned long arg1, unsigned long arg2,
                              unsigned long arg3, unsigned long arg4, unsigned long arg5)
{
#ifdef LP_HAS_ENTRY
    const unsigned long lowest_error = -4095UL;
    const long answer = lp_enter_kernel(number, arg1, arg2, arg3, arg4, arg5);

    if (__builtin_expect((unsigned long)answer < lowest_error, 1))
        return answer;
    errno = (int)-answer;
    return -1;
#else
    return syscall(number, arg1, arg2, arg3, arg4, arg5);
#endif
}

#endif
