// SPDX-License-Identifier: MIT
//
// A peer to measure beside: Go's channel. Reads lines "capacity producers consumers n" and answers
// each with the ns that it took to pass n words through a channel, goroutine to goroutine.
package main

import (
	"bufio"
	"fmt"
	"os"
	"sync"
	"time"
)

// Passes n words; every word arrives once, or the program ends with status 1.
func pass(capacity, producers, consumers int, n uint64) time.Duration {
	channel := make(chan uint64, capacity)
	sums := make([]uint64, consumers)
	gate := make(chan struct{})
	var ready, done sync.WaitGroup
	ready.Add(producers + consumers)
	done.Add(producers + consumers)
	for p := 0; p < producers; p++ {
		go func(first, count uint64) {
			ready.Done()
			<-gate
			for i := uint64(0); i < count; i++ {
				channel <- first + i
			}
			done.Done()
		}(1+uint64(p)*(n/uint64(producers)), n/uint64(producers))
	}
	for c := 0; c < consumers; c++ {
		go func(sum *uint64, count uint64) {
			var total uint64
			ready.Done()
			<-gate
			for i := uint64(0); i < count; i++ {
				total += <-channel
			}
			*sum = total
			done.Done()
		}(&sums[c], n/uint64(consumers))
	}
	ready.Wait()
	start := time.Now()
	close(gate)
	done.Wait()
	taken := time.Since(start)
	var total uint64
	for _, sum := range sums {
		total += sum
	}
	if total != n*(n+1)/2 {
		fmt.Fprintln(os.Stderr, "channel: a word was lost")
		os.Exit(1)
	}
	return taken
}

func main() {
	in := bufio.NewReader(os.Stdin)
	for {
		var capacity, producers, consumers int
		var n uint64
		if _, err := fmt.Fscanln(in, &capacity, &producers, &consumers, &n); err != nil {
			return
		}
		fmt.Println(pass(capacity, producers, consumers, n).Nanoseconds())
	}
}
