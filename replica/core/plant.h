/*
 * Planted bugs. `PLANTED(R3)` is true only in a build with -DPLANT_R3 (tests/sim/planted.sh), and a
 * constant 0 otherwise. Each takes away exactly one safeguard, so that the simulator can show that
 * it would notice its absence.
 */
#ifndef BAZAR_CORE_PLANT_H
#define BAZAR_CORE_PLANT_H

#define PLANTED(name) (PLANT_PASTE(PLANT_ARG_, PLANT_##name))

/* -DPLANT_R3 defines PLANT_R3 as 1, which pastes to PLANT_ARG_1; without it the name stays a
 * name. Every switch is listed here, so that a misspelt one does not compile. */
#define PLANT_PASTE(a, b) PLANT_PASTE_(a, b)
#define PLANT_PASTE_(a, b) a##b
#define PLANT_ARG_1 1
#define PLANT_ARG_PLANT_R1 0      /* a start keeps the old epoch */
#define PLANT_ARG_PLANT_R2 0      /* a starting primary trusts its own log */
#define PLANT_ARG_PLANT_CONFIRM 0 /* (R2) a starting backup serves before it is confirmed */
#define PLANT_ARG_PLANT_R3 0      /* the tail found at start is not dirty */
#define PLANT_ARG_PLANT_R4 0      /* the rows are read before the dirty check */
#define PLANT_ARG_PLANT_R5 0      /* dirty keys are read */
#define PLANT_ARG_PLANT_R6 0      /* commit_seq is believed without comparing the epoch */
#define PLANT_ARG_PLANT_R7 0      /* catching up drops whatever follows .prev */
#define PLANT_ARG_PLANT_R8 0      /* a change of a book does not touch its topic */
#define PLANT_ARG_PLANT_R9 0      /* readers do not ask for the lease */
#define PLANT_ARG_PLANT_R10 0     /* a promotion is content with any one log */
#define PLANT_ARG_PLANT_GRANTED 0 /* a set shrinks without waiting for the lease it granted */
#define PLANT_ARG_PLANT_SHRINK 0  /* a set shrinks below min */
#define PLANT_ARG_PLANT_PREV 0    /* entries are taken without comparing .prev */
#define PLANT_ARG_PLANT_FENCE 0   /* an older epoch is followed too */
#define PLANT_ARG_PLANT_TABLE 0   /* a primary applies a batch before the backups have it */
#define PLANT_ARG_PLANT_PARTIAL 0 /* a partly loaded store counts as a whole one */
#define PLANT_ARG_PLANT_FLOORS 0  /* (C1) preparing raises no floors */
#define PLANT_ARG_PLANT_C2 0      /* joining a cache segment raises no floors */
#define PLANT_ARG_PLANT_C3 0      /* another incarnation does not empty the cache */
#define PLANT_ARG_PLANT_C4 0      /* hits do not ask for the lease */
#define PLANT_ARG_PLANT_DEDUP 0   /* operation ids are not looked up */
#define PLANT_ARG_PLANT_FLUSH 0   /* a backup answers before its log is on disk */
#define PLANT_ARG_PLANT_SWEEP 0   /* nobody looks for orders that were left PENDING */
#define PLANT_ARG_PLANT_CART 0    /* what a cart asks for is taken until a book is refused */
#define PLANT_ARG_PLANT_REFUSAL 0 /* an order that the catalog could not decide is rejected */

#endif
