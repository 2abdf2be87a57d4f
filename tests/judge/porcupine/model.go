package main

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/anishathalye/porcupine"
)

// Operation is a line of a history: what a client or a worker asked for, or what the master did.
type Operation struct {
	History    string   `json:"history"`
	Job        string   `json:"job"`
	Partition  string   `json:"partition"` // or a task that publishes none; empty: it is about the job
	Client     string   `json:"client"`
	Kind       string   `json:"kind"`
	Attempt    int64    `json:"attempt"`
	CallNs     int64    `json:"call_ns"`
	ReturnNs   *int64   `json:"return_ns"` // null: it is open; it takes effect later, or never
	Output     string   `json:"output"`
	Partitions []string `json:"partitions"` // of a submit: all that the job has to publish
}

// state is of one partition and of its job.
type state struct {
	submitted bool
	ended     string // the job: done, failed or cancelled; empty: it goes on
	publishes bool   // it is a partition of the output
	handedOut string // attempts
	granted   string // attempts that have ever been
	holder    int64  // the attempt that may publish now
	published int64  // by which attempt
}

// step: each partition is published once, by a granted attempt, of a job that was not cancelled.
func step(s state, op Operation) (bool, state) {
	isFree := s.submitted && s.ended == "" && s.published == 0
	switch op.Kind {
	case "submit":
		s.submitted, s.publishes = true, slices.Contains(op.Partitions, op.Partition)
	case "hand-out":
		s.handedOut += name(op.Attempt)
		return isFree, s
	case "grant":
		ok := isFree && has(s.handedOut, op.Attempt) && (s.holder == 0 || s.holder == op.Attempt)
		s.holder, s.granted = op.Attempt, s.granted+name(op.Attempt)
		return ok, s
	case "release": // the attempt has failed, or its worker is lost
		if s.holder == op.Attempt {
			s.holder = 0
		}
	case "commit":
		ok := isFree && has(s.granted, op.Attempt)
		s.published = op.Attempt
		return ok, s
	case "cancel":
		ok := s.submitted && (s.ended == "" || s.ended == "cancelled")
		s.ended = "cancelled"
		return ok, s
	case "refused cancel": // there is no such job, or it is too late
		isTooLate := s.ended != "" || !s.publishes || s.published != 0
		return !s.submitted || (isTooLate && s.ended != "cancelled"), s
	case "end":
		ok := s.ended == "" || (s.ended == "cancelled" && op.Output == "cancelled")
		s.ended = op.Output
		return ok && (op.Output != "done" || !s.publishes || s.published != 0), s
	default:
		panic("no operation is called " + op.Kind)
	}
	return true, s
}

// model is for the operations of one job.
var model = porcupine.Model{
	Partition: partitions,
	Init:      func() interface{} { return state{} },
	Step: func(now, input, _ interface{}) (bool, interface{}) {
		op := input.(Operation)
		ok, next := step(now.(state), op)
		if !ok && op.ReturnNs == nil {
			return true, now // it never took effect
		}
		return ok, next
	},
}

// partitions gives each partition, and each task that publishes none, a history of its own. They
// share only the beginning and the end of the job, which are in all of them.
func partitions(all []porcupine.Operation) [][]porcupine.Operation {
	ofJob, byName := []Operation{}, map[string][]Operation{"": nil}
	for _, each := range all {
		switch op := each.Input.(Operation); op.Kind {
		case "submit", "cancel", "refused cancel", "end":
			ofJob = append(ofJob, op)
			for _, name := range op.Partitions {
				byName[name] = byName[name]
			}
		default:
			byName[op.Partition] = append(byName[op.Partition], op)
		}
	}
	names := make([]string, 0, len(byName))
	for name := range byName {
		names = append(names, name)
	}
	sort.Strings(names)
	histories := make([][]porcupine.Operation, 0, len(names))
	for _, name := range names {
		ops := byName[name]
		for _, op := range ofJob {
			op.Partition = name
			ops = append(ops, op)
		}
		histories = append(histories, operations(ops))
	}
	return histories
}

// operations are these as Porcupine takes them. An open one ends after all others.
func operations(ops []Operation) []porcupine.Operation {
	end := int64(0)
	for _, op := range ops {
		end = max(end, op.CallNs+1)
		if op.ReturnNs != nil {
			end = max(end, *op.ReturnNs+1)
		}
	}
	taken := make([]porcupine.Operation, 0, len(ops))
	for _, op := range ops {
		returns := end
		if op.ReturnNs != nil {
			returns = *op.ReturnNs
		}
		taken = append(taken, porcupine.Operation{Input: op, Call: op.CallNs, Return: returns})
	}
	return taken
}

// name is how an attempt stands in a set of them.
func name(attempt int64) string { return fmt.Sprintf("%d,", attempt) }

// has says whether the attempt is in the set.
func has(set string, attempt int64) bool { return strings.Contains(","+set, ","+name(attempt)) }
