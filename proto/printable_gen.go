//go:build ignore

// Writes printable.inc: what Go's %q shows as it is, above ASCII. Run it where the table must follow a newer Unicode:
//	go run printable_gen.go > printable.inc

package main

import (
	"fmt"
	"strconv"
	"unicode"
)

func main() {
	fmt.Printf("/* Made by printable_gen.go from Unicode %s. First and last rune of each range of printable ones. */\n", unicode.Version)
	n, first := 0, rune(-1)
	for r := rune(0x7f); r <= unicode.MaxRune+1; r++ {
		printable := r <= unicode.MaxRune && strconv.IsPrint(r)
		if printable && first < 0 {
			first = r
		}
		if !printable && first >= 0 {
			fmt.Printf("{0x%x, 0x%x},", first, r-1)
			if n++; n%6 == 0 {
				fmt.Println()
			} else {
				fmt.Print(" ")
			}
			first = -1
		}
	}
	fmt.Println()
}
