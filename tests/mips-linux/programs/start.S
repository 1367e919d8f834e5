# Begins a program from a stack of its own, so that it does the same under any kernel: one argument, no
# environment, and of the auxiliary vector what the C library must have. Linked with `-e own_start`.
	.set	noreorder
	.text
	.globl	own_start
	.ent	own_start
own_start:
	lui	$29, %hi(own_stack)
	addiu	$29, $29, %lo(own_stack)
	lui	$25, %hi(__start)
	addiu	$25, $25, %lo(__start)
	jr	$25
	move	$2, $0
	.end	own_start

	.data
	.align	4
	.space	262144
own_stack:
	.word	1, name, 0	# argc, argv
	.word	0		# environment
	.word	6, 4096		# AT_PAGESZ
	.word	25, random	# AT_RANDOM
	.word	23, 0		# AT_SECURE
	.word	0, 0		# AT_NULL
name:	.asciiz	"program"
	.align	4
random:	.word	0x01234567, 0x89abcdef, 0x02468ace, 0x13579bdf
