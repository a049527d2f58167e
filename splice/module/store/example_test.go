package store_test

import (
	"context"
	"log"
	"os"

	"github.com/gosplice/gosplice/splice/module/running"
	"github.com/gosplice/gosplice/splice/module/store"
)

// Keep an update, signed by a key that the policy accepts.
func ExampleStore_Add() {
	s, err := store.Create(store.Default)
	if err != nil {
		log.Fatal(err)
	}
	cert, err := os.ReadFile("cert.pem")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	_, err = s.SetPolicy(ctx, func(p *store.Policy) error {
		p.Keys = append(p.Keys, store.Key{Name: "release", Certificate: string(cert)})
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	file, err := os.ReadFile("fix.ko")
	if err != nil {
		log.Fatal(err)
	}
	entry, err := s.Add(ctx, file, nil) // its signature is behind it
	if err != nil {
		log.Fatal(err)
	}
	log.Println(entry.Name, "for", entry.Release)
}

// Load what is for this kernel as the machine starts.
func ExampleStore_Boot() {
	s, err := store.Open(store.Default)
	if err != nil {
		log.Fatal(err)
	}
	m, err := store.MachineOf("/")
	if err != nil {
		log.Fatal(err)
	}
	r, err := s.Boot(context.Background(), &running.Kernel{}, m, store.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := r.Text(os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func ExampleReport_Text() {
	r := &store.Report{Updates: []store.Outcome{
		{Name: "fix_a", Did: store.Loaded},
		{Name: "fix_b", Did: store.NotOurs, Why: "it is for 6.1.0-56-cloud-amd64"},
		{Name: "fix_c", Did: store.Disabled},
	}}
	if err := r.Text(os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// fix_a: loaded
	// fix_b: not for this kernel: it is for 6.1.0-56-cloud-amd64
	// fix_c: disabled
}
