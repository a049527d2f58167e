package process

// Runs is which code of a function runs.
type Runs string

// What runs.
const (
	Old   Runs = "old"   // that which the update replaces
	New   Runs = "new"   // that of the update
	Other Runs = "other" // neither, or it can't be told
)

// An Inspection says which code a process runs of what an update replaces.
type Inspection struct {
	// Report is what the process holds of the update; nil when it holds nothing.
	Report *Report
	// Functions are those that the update replaces, in its order.
	Functions []Function
	// Differs says where the memory of a process that holds the update is not what the update
	// says; "" when all is.
	Differs string
}

// A Function is one that an update replaces.
type Function struct {
	Name    string // without the change
	Module  string // the file that it is in
	Address uint64 // run address of the code that runs, as far as it is known
	Runs    Runs
	Why     string // of Other: one line
}
