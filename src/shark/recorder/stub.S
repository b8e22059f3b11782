/* The code that runs in a hot process in place of a `syscall` instruction: makes the call and writes it down.
 *
 * A patched site jumps to its trampoline, which loads the address of the site's data into r11 and jumps here. eax was
 * to get the call's number there, so its content is free; rcx and r11 are what a system call overwrites anyway. Nothing
 * is pushed: the program's stack may be tiny, and a signal handler must find it as it was. All that has to be put
 * back lies in the slot, where the supervisor finds it, too, if a signal comes while the instruction pointer is in here
 * (signals.py; every ZONE names what is where from there on). No SSE, no TLS, no calls, no string instructions (the
 * direction flag may be set).
 *
 * It never waits. Where something is not as usual (no slot is free, the file may be written, the supervisor said so) the
 * site's own `syscall` instruction is executed, which the filter stops.
 */
#include "layout.h"

    .section .rodata
    .balign 16
    .globl shark_stub, shark_stub_end, shark_zones, shark_zones_end, shark_injection

/* Note what holds from here on: offset in the stub, zone. */
    .macro ZONE number
7771:
    .pushsection .rodata.zones, "a"
    .long 7771b - shark_stub, \number
    .popsection
    .endm

/* Have the next slot of the ring in rcx; where there is none, go on at `otherwise`. */
    .macro ASK otherwise, zone
    movl $1, %ecx
    lock xaddl %ecx, RING + RING_HEAD
    testl $(SLOTS / 2 - 1), %ecx    /* twice a lap the supervisor gets a chance to read */
    jz \otherwise
    andl $(SLOTS - 1), %ecx
    shll $SLOT_SHIFT, %ecx
    leal RING + RING_SLOTS(%rcx), %ecx
    lock btsl $0, STATE(%rcx)
    ZONE \zone
    jc \otherwise                   /* the ring is full here */
    .endm

/* The call of the slot in rbx is over. */
    .macro END_NOW
    movl $1, %eax
    lock xaddq %rax, RING + RING_CLOCK
    movq %rax, END(%rbx)
    .endm

    .pushsection .rodata.zones, "a"
    .balign 8
shark_zones:
    .popsection

shark_stub:
    ZONE ZONE_UNTOUCHED
    lahf
    seto %al
    cmpl $0, PAGE_HOT
    ZONE ZONE_FLAGS_IN_AX
    je plain
    cmpl $0, RING + RING_OFF
    jne plain
    cmpl $NR_OPENAT, 8(%r11)
    jne 1f
    testl $WRITE_INTENT, %edx
    jmp 2f
1:  testl $WRITE_INTENT, %esi
2:  jnz plain
    movl PAGE_AREA, %ecx
    lock btsl $0, STATE(%rcx)
    ZONE ZONE_ASKED
    jnc claimed
    ZONE ZONE_FLAGS_IN_AX
    ASK plain, ZONE_ASKED           /* another thread is in the area */
claimed:
    ZONE ZONE_CLAIMED
    movq %rax, FLAGS(%rcx)
    movq %rbx, SAVED_RBX(%rcx)
    movq %rdi, SAVED_RDI(%rcx)
    movq %rsi, SAVED_RSI(%rcx)
    movq %rdx, SAVED_RDX(%rcx)
    movq %r10, SAVED_R10(%rcx)
    movq %r8, SAVED_R8(%rcx)
    movq %r11, SITE(%rcx)
    ZONE ZONE_SAVED
    movl PAGE_PROCESS, %eax
    movl %eax, PROCESS(%rcx)
    movl 8(%r11), %eax
    movl %eax, NUMBER(%rcx)
    movq $0, END(%rcx)
    movabsq $NOT_RETURNED, %rax
    movq %rax, RESULT(%rcx)
    movl $2, %eax                   /* one of them is the moment before the call */
    lock xaddq %rax, RING + RING_CLOCK
    incq %rax
    movq %rax, BEGIN(%rcx)
    movl 8(%r11), %eax
    movq %rcx, %rbx
    ZONE ZONE_READY
    syscall
    ZONE ZONE_RETURNED
    movq %rax, RESULT(%rbx)
    ZONE ZONE_DONE
    movl $-1, STATX_RESULT(%rbx)
    testq %rax, %rax
    js failed
    movl %eax, %edi
    leaq empty(%rip), %rsi
    movl $0x5000, %edx              /* AT_EMPTY_PATH | AT_STATX_DONT_SYNC */
    movl $0xfff, %r10d              /* STATX_BASIC_STATS | STATX_BTIME */
    leaq STATX(%rbx), %r8
    movl $NR_STATX, %eax
    syscall
    movl %eax, STATX_RESULT(%rbx)
    jmp copy
failed:
    cmpq $-2, %rax                  /* ENOENT */
    je copy
    cmpq $-20, %rax                 /* ENOTDIR */
    jne leave_nothing               /* nothing to tell, and the path may be unreadable (EFAULT) */
copy:
    movq SAVED_RSI(%rbx), %rsi
    cmpl $NR_OPENAT, NUMBER(%rbx)
    je 1f
    movq SAVED_RDI(%rbx), %rsi
1:  xorl %edx, %edx
2:  movb (%rsi,%rdx), %al
    movb %al, PATH(%rbx,%rdx)
    testb %al, %al
    jz 3f
    incl %edx
    cmpl $PATH_ROOM, %edx
    jb 2b
    movl $-1, LENGTH(%rbx)
    jmp trap
3:  movl %edx, LENGTH(%rbx)
    movl $-1, BASE_RESULT(%rbx)
    cmpl $NR_OPENAT, NUMBER(%rbx)
    jne 4f
    cmpb $'/', PATH(%rbx)
    je 4f
    movl SAVED_RDI(%rbx), %edi
    cmpl $-100, %edi                /* AT_FDCWD */
    je 4f
    leaq empty(%rip), %rsi
    movl $0x5000, %edx
    movl $0xfff, %r10d
    leaq BASE(%rbx), %r8
    movl $NR_STATX, %eax
    syscall
    movl %eax, BASE_RESULT(%rbx)
4:
    cmpl $0x7665642f, PATH(%rbx)    /* "/dev" */
    je trap
    cmpl $0x6f72702f, PATH(%rbx)    /* "/pro" */
    je trap
    movq RESULT(%rbx), %rax
    testq %rax, %rax
    js complete
    cmpl PAGE_WATCH, %eax
    jle trap
    cmpl $0, STATX_RESULT(%rbx)
    jne trap
    movzwl STATX + 28(%rbx), %eax
    andl $0xf000, %eax
    cmpl $0x8000, %eax              /* S_IFREG */
    je complete
    cmpl $0x4000, %eax              /* S_IFDIR */
    jne trap
complete:
    cmpl $(RING + RING_AREAS), %ebx
    jae mix
    END_NOW

    .macro LEAVE zone, state
    movq SAVED_RDI(%rbx), %rdi
    movq SAVED_RSI(%rbx), %rsi
    movq SAVED_RDX(%rbx), %rdx
    movq SAVED_R10(%rbx), %r10
    movq SAVED_R8(%rbx), %r8
    movq SITE(%rbx), %r11
    movq (%r11), %r11
    movq %rbx, %rcx
    movq SAVED_RBX(%rcx), %rbx
    ZONE \zone
    movq FLAGS(%rcx), %rax
    addb $0x7f, %al                 /* overflow if al is 1 */
    sahf
    movq RESULT(%rcx), %rax
    .if \state == FREE
    movl $0, PROCESS(%rcx)          /* who claims it next is not this process */
    .endif
    movl $\state, STATE(%rcx)
    ZONE ZONE_RELEASED
    jmp *%r11
    .endm

    LEAVE ZONE_LEAVING, COMPLETE

/* In an area: is it new? All that the record says goes into one number, a step for each word that no two values leave
 * the same; so two records that differ in one word never have the same number, and others once in 2^64 times. */
    ZONE ZONE_DONE
mix:
    testq %rax, %rax
    js tell
    cmpl $0, BASE_RESULT(%rbx)      /* from a descriptor: the reader knows more of those */
    je tell
    movl LENGTH(%rbx), %edx
    cmpl $(PATH_ROOM - 8), %edx
    jae tell
    movq $0, PATH(%rbx,%rdx)        /* so that its last word says nothing else */
    movabsq $0xff51afd7ed558ccd, %rdi
    movl PAGE_PROCESS, %eax
    movl RING + RING_EPOCH, %ecx
    shlq $32, %rcx
    orq %rcx, %rax
    .macro MIX
    imulq %rdi, %rax
    movq %rax, %rcx
    shrq $32, %rcx
    xorq %rcx, %rax
    .endm
    MIX
    movl NUMBER(%rbx), %ecx
    movl SAVED_RSI(%rbx), %esi      /* the flags of open, and of openat */
    cmpl $NR_OPENAT, %ecx
    jne 1f
    movl SAVED_RDX(%rbx), %esi
1:  andl $O_PATH_BIT, %esi
    movzwl STATX + 28(%rbx), %ecx   /* stx_mode: 16 bits */
    orl %ecx, %esi
    movl STATX + 16(%rbx), %ecx     /* stx_nlink */
    shlq $32, %rcx
    orq %rcx, %rsi
    xorq %rsi, %rax
    MIX
    .irp field, 32, 40, 80, 88, 112, 120, 136  /* ino, size, birth, birth's ns, mtime, mtime's ns, dev */
    xorq STATX + \field(%rbx), %rax
    MIX
    .endr
    addl $PATH, %edx
    movl $PATH, %esi
2:  xorq (%rbx,%rsi), %rax
    MIX
    addl $8, %esi
    cmpl %edx, %esi
    jb 2b
    xorq %rdx, %rax
    MIX
    movzbl %al, %ecx
    leaq AREA_TOLD(%rbx,%rcx,8), %rcx
    cmpq %rax, (%rcx)
    je repeated
    movq %rax, (%rcx)
tell:
    ASK trap, ZONE_TELLING_ASKED
    ZONE ZONE_TELLING
    movabsq $NOT_RETURNED, %rax
    movq %rax, RESULT(%rcx)
    movl PAGE_PROCESS, %eax
    movl %eax, PROCESS(%rcx)
    END_NOW
    movl $NUMBER, %edx
    movl $(STATX + 144), %esi
    jmp 4f
3:  movq (%rbx,%rdx), %rax
    movq %rax, (%rcx,%rdx)
    addl $8, %edx
4:  cmpl %esi, %edx
    jb 3b
    cmpl $(STATX + 144), %esi
    jne 5f
    movl $BASE, %edx
    movl $(BASE + 144), %esi
    cmpl $0, BASE_RESULT(%rbx)
    je 3b
5:  cmpl $PATH, %edx
    jae 6f
    movl $PATH, %edx
    movl LENGTH(%rbx), %esi
    addl $PATH, %esi
    jmp 4b
6:  movl $COMPLETE, STATE(%rcx)
    ZONE ZONE_HANDLED
    jmp leave_nothing

    ZONE ZONE_DONE
repeated:
    incq AREA_REPEATED(%rbx)
    jmp leave_nothing

    ZONE ZONE_DONE
trap:
    movl $LOUD, STATE(%rbx)
    movl $TRAP_MAGIC, %edi
    movq %rbx, %rdx
    xorl %esi, %esi
    xorl %r10d, %r10d
    movl $TRAP_CALL, %eax
    syscall
leave_nothing:
    ZONE ZONE_HANDLED
    LEAVE ZONE_LEAVING_HANDLED, FREE

    ZONE ZONE_FLAGS_IN_AX
plain:
    addb $0x7f, %al
    ZONE ZONE_FLAGS_HALF
    sahf
    ZONE ZONE_UNTOUCHED
    movl 8(%r11), %eax
    movq (%r11), %rcx
    leaq -2(%rcx), %rcx
    jmp *%rcx
empty:
    .byte 0

/* Run once in each hot process: maps the ring and the page of trampolines. The supervisor has set rdi to the ring's path,
 * r12 and r13 to the trampolines' address and mmap's flags; it finds the results in r14 (open), r15 and r12 (mmap), and
 * r13: a child of which shark does not know yet, or cannot write its memory, must not write in its parent's name. */
    ZONE ZONE_INJECTION
shark_injection:
    movl $0xa0002, %esi             /* O_RDWR | O_CLOEXEC | O_NOFOLLOW */
    xorl %edx, %edx
    movl $NR_OPEN, %eax
    syscall
    movq %rax, %r14
    testq %rax, %rax
    js 1f
    movl $RING, %edi
    movl $RING_SIZE, %esi
    movl $3, %edx                   /* PROT_READ | PROT_WRITE */
    movl $0x100001, %r10d           /* MAP_SHARED | MAP_FIXED_NOREPLACE */
    movq %r14, %r8
    xorl %r9d, %r9d
    movl $NR_MMAP, %eax
    syscall
    movq %rax, %r15
    movq %r14, %rdi
    movl $NR_CLOSE, %eax
    syscall
    movq %r12, %rdi
    movl $4096, %esi
    movl $5, %edx                   /* PROT_READ | PROT_EXEC */
    movl %r13d, %r10d
    movq $-1, %r8
    xorl %r9d, %r9d
    movl $NR_MMAP, %eax
    syscall
    movq %rax, %r12
    movl $PAGE, %edi
    movl $4096, %esi
    movl $18, %edx                  /* MADV_WIPEONFORK */
    movl $NR_MADVISE, %eax
    syscall
    movq %rax, %r13
1:  movl $INJECTED_MAGIC, %edi
    xorl %esi, %esi
    movl $TRAP_CALL, %eax
    syscall
    ud2
shark_stub_end:

    .pushsection .rodata.zones, "a"
shark_zones_end:
    .popsection
    .section .note.GNU-stack, "", @progbits
