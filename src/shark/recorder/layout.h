/* Where things lie: in the traced process, in the ring, and in a slot. Used by the stub and by the reader; layout.py
 * says the same in Python, and a test compares the two.
 *
 * All addresses are below 0x7fff8000, which AddressSanitizer leaves to the program, and above what Debian's programs of
 * a fixed address (python3, node, cc1) use themselves.
 */
#ifndef SHARK_LAYOUT_H
#define SHARK_LAYOUT_H

#define CODE 0x70000000          /* one page: the stub; calls of open from here are let through by the filter */
#define PAGE 0x70001000          /* one page, private to the process: who it is, and what it may do */
#define PAGE_HOT (PAGE + 0)      /* u32: 0: make plain calls, which stop. A fork finds 0 here until it is known */
#define PAGE_PROCESS (PAGE + 4)  /* u32: the process's number in the run */
#define PAGE_WATCH (PAGE + 8)    /* i32: stop after an open that returned this descriptor, or a lower one */
#define PAGE_AREA (PAGE + 12)    /* u32: where in the ring the process's area lies */

#define RING 0x70010000          /* shared by the supervisor and all hot processes of the run */
#define RING_MAGIC 0x31676e697220736bUL
#define RING_HEAD 64             /* u32: how many slots were asked for */
#define RING_CLOCK 128           /* u64: the run's one counter */
#define RING_OFF 192             /* u32: not 0: everybody makes plain calls */
#define RING_EPOCH 256           /* u32: when it changes, what was told before is to be told anew */
#define RING_SLOTS 4096          /* where the slots begin */

#define SLOTS 2048
#define SLOT_SHIFT 10
#define SLOT_SIZE (1 << SLOT_SHIFT)

/* Behind the slots, areas of processes: a slot that never becomes complete, in which one thread of the process at a time
 * sees what its call gave, and a table of what was told. A repetition is over then; what is new is copied into a slot. */
#define RING_AREAS (RING_SLOTS + SLOTS * SLOT_SIZE)
#define AREAS 64                 /* a process has that of its number modulo this */
#define AREA_SIZE 4096
#define AREA_REPEATED 1024       /* u64: how many records were not told, since they said nothing new */
#define AREA_TOLD 2048           /* u64 each: all that a record says, mixed; the place is what the lowest bits say */
#define TOLD 256

#define RING_SIZE (RING_AREAS + AREAS * AREA_SIZE)

/* In a slot. */
#define STATE 0
#define PROCESS 4
#define NUMBER 8
#define LENGTH 12
#define BEGIN 16
#define END 24
#define RESULT 32
#define SITE 40
#define FLAGS 48
#define SAVED_RBX 56
#define SAVED_RDI 64
#define SAVED_RSI 72
#define SAVED_RDX 80
#define SAVED_R10 88
#define SAVED_R8 96
#define STATX_RESULT 104
#define STATX 128
#define BASE_RESULT 108
#define BASE 384                /* struct statx of the directory that a relative name starts from */
#define PATH 640
#define PATH_ROOM (SLOT_SIZE - PATH)

/* States of a slot. */
#define FREE 0
#define BUSY 1
#define COMPLETE 3
#define LOUD 5                   /* the supervisor was asked to look while the process stands still */

#define NOT_RETURNED 0x4000000000000000 /* RESULT of a call that the kernel has not returned from */

/* Zones of the stub: what a register or a slot holds while the instruction pointer is there (signals.py). */
#define ZONE_UNTOUCHED 0   /* all registers as the program left them, but rax, rcx and r11 */
#define ZONE_FLAGS_IN_AX 1 /* no slot; flags in ah, overflow in al */
#define ZONE_FLAGS_HALF 2  /* no slot; overflow in the flags again, the rest in ah */
#define ZONE_CLAIMED 3     /* slot in rcx; flags in ax */
#define ZONE_SAVED 4       /* slot in rcx; flags in the slot */
#define ZONE_READY 5       /* slot in rbx; flags in the slot; the call is not made yet */
#define ZONE_RETURNED 6    /* slot in rbx; the call's result in rax */
#define ZONE_DONE 7        /* slot in rbx; the result in the slot */
#define ZONE_HANDLED 8     /* slot in rbx; the supervisor has dealt with the record already */
#define ZONE_LEAVING 9     /* slot in rcx; the result in the slot */
#define ZONE_LEAVING_HANDLED 10
#define ZONE_RELEASED 11   /* the slot is the reader's; all is restored, the return address is in r11 */
#define ZONE_ASKED 13      /* slot in rcx if the carry is clear, else none; flags in ax */
#define ZONE_TELLING_ASKED 14 /* as ZONE_DONE, and a slot of the ring in rcx if the carry is clear */
#define ZONE_TELLING 15       /* as ZONE_DONE, and a slot of the ring in rcx */
#define ZONE_INJECTION 12  /* of shark's own calls: no program is in here */

#define TRAP_CALL 437      /* openat2: traced wherever it comes from */
#define TRAP_MAGIC 0x6b726168
#define INJECTED_MAGIC 0x6e726168

#define NR_OPEN 2
#define NR_OPENAT 257
#define NR_STATX 332
#define NR_MMAP 9
#define NR_CLOSE 3
#define NR_MADVISE 28
#define O_PATH_BIT 0x200000

#define WRITE_INTENT 0x400243 /* O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | the bit of O_TMPFILE */

#endif
