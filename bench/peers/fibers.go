// SPDX-License-Identifier: MIT
//
// What goroutines do that wait for each other, or for the time.
package main

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// One copy for both, as pinion's.
//
//go:noinline
func yieldTimes(count uint64) {
	for i := uint64(0); i < count; i++ {
		runtime.Gosched()
	}
}

// So many in all, of two that yield to each other.
func yield(_, repeats uint64) time.Duration {
	done := make(chan struct{})
	start := time.Now()
	go func() {
		yieldTimes(repeats / 2)
		close(done)
	}()
	yieldTimes(repeats - repeats/2)
	<-done
	return time.Since(start)
}

// So many, size of them at a time.
func spawn(size, repeats uint64) time.Duration {
	done := make(chan struct{})
	start := time.Now()
	for i := uint64(0); i < repeats; i += size {
		for j := uint64(0); j < size; j++ {
			go func() { done <- struct{}{} }()
		}
		for j := uint64(0); j < size; j++ {
			<-done
		}
	}
	return time.Since(start)
}

// Passes the words 1 to repeats through a channel.
func queue(capacity, repeats uint64) time.Duration {
	words := make(chan uint64, capacity)
	ready, done := make(chan struct{}), make(chan uint64)
	go func() {
		sum := uint64(0)
		close(ready)
		for i := uint64(0); i < repeats; i++ {
			sum += <-words
		}
		done <- sum
	}()
	<-ready
	start := time.Now()
	for i := uint64(1); i <= repeats; i++ {
		words <- i
	}
	sum := <-done
	taken := time.Since(start)
	check(sum == repeats*(repeats+1)/2)
	return taken
}

func residentBytes() int64 {
	line, err := os.ReadFile("/proc/self/statm")
	check(err == nil)
	pages, err := strconv.ParseInt(strings.Fields(string(line))[1], 10, 64)
	check(err == nil)
	return pages * int64(os.Getpagesize())
}

type night struct {
	made, woken time.Duration
	bytes       int64
}

// So many that sleep until one time; false if that came before all slept.
func tryToSleep(count uint64, before int64, patience time.Duration) (night, bool) {
	var asleep uint64
	var ended sync.WaitGroup
	ended.Add(int(count))
	start := time.Now()
	morning := start.Add(patience)
	for i := uint64(0); i < count; i++ {
		go func() {
			atomic.AddUint64(&asleep, 1)
			time.Sleep(time.Until(morning))
			ended.Done()
		}()
		if i%64 == 63 {
			runtime.Gosched()
		}
	}
	for atomic.LoadUint64(&asleep) < count {
		runtime.Gosched()
	}
	made := time.Since(start)
	bytes := residentBytes() - before
	inTime := time.Now().Before(morning)
	ended.Wait()
	return night{made, time.Since(morning), bytes}, inTime
}

// For each; grows where it was too short.
var patience = 4 * time.Microsecond

func sleep(count uint64) night {
	before := residentBytes()
	for ; ; patience *= 2 {
		whole := time.Duration(count)*patience + 10*time.Millisecond
		if found, inTime := tryToSleep(count, before, whole); inTime {
			return found
		}
	}
}

func sleepOften(count, repeats uint64, share func(night) time.Duration) time.Duration {
	var sum time.Duration
	for i := uint64(0); i < repeats; i++ {
		sum += share(sleep(count))
	}
	return sum
}

func made(count, repeats uint64) time.Duration {
	return sleepOften(count, repeats, func(found night) time.Duration { return found.made })
}

func woken(count, repeats uint64) time.Duration {
	return sleepOften(count, repeats, func(found night) time.Duration { return found.woken })
}

// No time, but bytes.
func bytes(count, _ uint64) time.Duration {
	return time.Duration(sleep(count).bytes)
}
