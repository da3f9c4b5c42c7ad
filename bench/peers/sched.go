// SPDX-License-Identifier: MIT
//
// Go among the contenders: a goroutine a task, which can be suspended and has a stack of its own;
// results come by channels, many are waited for by a WaitGroup. Reads lines
// "WORKLOAD THREADS SIZE REPEATS" and answers each with ns.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

func check(right bool) {
	if !right {
		fmt.Fprintln(os.Stderr, "Go: a task was lost")
		os.Exit(1)
	}
}

func fib(n uint64) uint64 {
	if n < 2 {
		return n
	}
	left := make(chan uint64, 1)
	go func() { left <- fib(n - 1) }()
	right := fib(n - 2)
	return <-left + right
}

func plainFib(n uint64) uint64 {
	a, b := uint64(0), uint64(1)
	for ; n > 0; n-- {
		a, b = b, a+b
	}
	return a
}

func fork(n, repeats uint64) time.Duration {
	wanted := plainFib(n)
	start := time.Now()
	for i := uint64(0); i < repeats; i++ {
		check(fib(n) == wanted)
	}
	return time.Since(start)
}

func many(n, repeats uint64) time.Duration {
	var taken time.Duration
	for r := uint64(0); r < repeats; r++ {
		var done sync.WaitGroup
		var sum uint64
		start := time.Now()
		done.Add(int(n))
		for i := uint64(1); i <= n; i++ {
			word := i
			go func() {
				atomic.AddUint64(&sum, word)
				done.Done()
			}()
		}
		done.Wait()
		taken += time.Since(start)
		check(sum == n*(n+1)/2)
	}
	return taken
}

func trip(gap, repeats uint64) time.Duration {
	var taken time.Duration
	answer := make(chan uint64)
	for i := uint64(0); i < repeats; i++ {
		time.Sleep(time.Duration(gap))
		start := time.Now()
		go func() { answer <- i + 1 }()
		check(<-answer == i+1)
		taken += time.Since(start)
	}
	return taken
}

var kept uint64

func spin(steps uint64) {
	x := steps
	for ; steps > 0; steps-- {
		x = (x ^ x>>31) * 0x9e3779b97f4a7c15 // as work.c's
	}
	if x == 0 {
		kept = x
	}
}

func fan(steps, repeats uint64) time.Duration {
	start := time.Now()
	for r := uint64(0); r < repeats; r++ {
		var done sync.WaitGroup
		done.Add(64)
		for i := 0; i < 64; i++ {
			go func() {
				spin(steps)
				done.Done()
			}()
		}
		done.Wait()
	}
	return time.Since(start)
}

func main() {
	workloads := map[string]func(size, repeats uint64) time.Duration{
		"fork": fork, "many": many, "trip": trip, "fan": fan,
		"yield": yield, "spawn": spawn, "queue": queue,
		"made": made, "woken": woken, "bytes": bytes}
	in := bufio.NewReader(os.Stdin)
	for {
		var name string
		var threads int
		var size, repeats uint64
		if _, err := fmt.Fscanln(in, &name, &threads, &size, &repeats); err != nil {
			return
		}
		runtime.GOMAXPROCS(threads)
		fmt.Println(workloads[name](size, repeats).Nanoseconds())
	}
}
