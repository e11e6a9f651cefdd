// The words of two columns: of each row that of the first, then that of the second.
DATA sideBySide<>+0(SB)/8, $0x0011000100100000
DATA sideBySide<>+8(SB)/8, $0x0013000300120002
DATA sideBySide<>+16(SB)/8, $0x0015000500140004
DATA sideBySide<>+24(SB)/8, $0x0017000700160006
DATA sideBySide<>+32(SB)/8, $0x0019000900180008
DATA sideBySide<>+40(SB)/8, $0x001b000b001a000a
DATA sideBySide<>+48(SB)/8, $0x001d000d001c000c
DATA sideBySide<>+56(SB)/8, $0x001f000f001e000e
GLOBL sideBySide<>(SB), RODATA|NOPTR, $64
