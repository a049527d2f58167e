# See a.s: names that are there twice.
	.text
	.type two, @function
two:	ret
	.size two, .-two
	.type gone, @function
gone:	call other@PLT
	.size gone, .-gone
