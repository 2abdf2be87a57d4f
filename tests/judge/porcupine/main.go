// Command judge reads histories of jobs and says which of them no right master can have.
//
//	judge -timeout 30s FILE...
//
// Each line of a FILE is an operation (see Operation), as JSON; those with the same history and job
// are judged together. What is not right is written to stdout, a JSON object a line, and then how
// much there was. The exit status is 0 if all was right, 1 if something was not, 2 if the input is
// none.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// Verdict is what is said of a partition of the output that is not right.
type Verdict struct {
	History    string      `json:"history"`
	Job        string      `json:"job"`
	Partition  string      `json:"partition"`
	Verdict    string      `json:"verdict"` // Illegal, or Unknown: the time was not enough
	Operations []Operation `json:"operations"`
}

// Summary comes last.
type Summary struct {
	Histories  int `json:"histories"`
	Jobs       int `json:"jobs"`
	Partitions int `json:"partitions"`
	Operations int `json:"operations"`
	Wrong      int `json:"wrong"`
}

type key struct{ history, job string }

func main() {
	timeout := flag.Duration("timeout", 30*time.Second, "for one partition of one job")
	flag.Parse()
	jobs, order := map[key][]Operation{}, []key{}
	for _, path := range flag.Args() {
		if err := read(path, jobs, &order); err != nil {
			fmt.Fprintf(os.Stderr, "judge: %s: %v\n", path, err)
			os.Exit(2)
		}
	}
	summary := judge(jobs, order, *timeout, json.NewEncoder(os.Stdout))
	if summary.Wrong > 0 {
		os.Exit(1)
	}
}

// read adds the operations of a file to those of their jobs.
func read(path string, jobs map[key][]Operation, order *[]key) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 64<<20)
	for number := 1; lines.Scan(); number++ {
		var op Operation
		if err := json.Unmarshal(lines.Bytes(), &op); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		of := key{op.History, op.Job}
		if _, known := jobs[of]; !known {
			*order = append(*order, of)
		}
		jobs[of] = append(jobs[of], op)
	}
	return lines.Err()
}

// judge judges the jobs side by side, and writes the verdicts in their order.
func judge(jobs map[key][]Operation, order []key, timeout time.Duration, out *json.Encoder) Summary {
	found, numbers := make([][]Verdict, len(order)), make(chan int)
	sizes := make([]int, len(order))
	var workers sync.WaitGroup
	for range runtime.NumCPU() {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for n := range numbers {
				found[n], sizes[n] = judgeJob(order[n], jobs[order[n]], timeout)
			}
		}()
	}
	histories, summary := map[string]bool{}, Summary{Jobs: len(order)}
	for n, of := range order {
		numbers <- n
		histories[of.history] = true
		summary.Operations += len(jobs[of])
	}
	close(numbers)
	workers.Wait()
	for n, verdicts := range found {
		for _, verdict := range verdicts {
			out.Encode(verdict)
		}
		summary.Wrong += len(verdicts)
		summary.Partitions += sizes[n]
	}
	summary.Histories = len(histories)
	out.Encode(summary)
	return summary
}

// judgeJob judges the partitions one by one, so that it can say of which one something is not right.
func judgeJob(of key, ops []Operation, timeout time.Duration) ([]Verdict, int) {
	alone, histories := model, partitions(operations(ops))
	alone.Partition = nil
	var wrong []Verdict
	for _, history := range histories {
		result := porcupine.CheckOperationsTimeout(alone, history, timeout)
		if result == porcupine.Ok || len(history) == 0 {
			continue
		}
		verdict := Verdict{History: of.history, Job: of.job, Verdict: string(result)}
		for _, each := range history {
			verdict.Operations = append(verdict.Operations, each.Input.(Operation))
		}
		verdict.Partition = verdict.Operations[0].Partition
		wrong = append(wrong, verdict)
	}
	return wrong, len(histories)
}
