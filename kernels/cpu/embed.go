package cpu

import (
	"fmt"

	"trona/kernels"
)

type embedJob struct {
	table matmulJob // its weight and panels
	out   uintptr
	ids   []int32
}

// Embed gathers rows of a packed table: it unpacks the 16 rows around each and
// keeps one.
func (d *Device) Embed(out kernels.Tensor, table kernels.Weight, ids kernels.Tensor) {
	kernels.CheckEmbed(out, table, ids)
	l, ok := table.Layout.(*layout)
	if !ok {
		panic("cpu: embed: the table was packed by another device")
	}
	j := &d.jobs.embed
	*j = embedJob{table: matmulJob{kern: d.kern, w: table, l: l}, out: out.Addr, ids: intsOf(ids.Addr, ids.Shape[0])}
	for _, id := range j.ids {
		if id < 0 || int64(id) >= table.Rows {
			d.fail(fmt.Errorf("cpu: embed: token %d of a vocabulary of %d", id, table.Rows))
		}
	}
	d.run(kernels.OpEmbed, j, int64(len(j.ids)), len(j.ids) < 4)
}

func (j *embedJob) pieces(w *worker, from, to int64) {
	for i := from; i < to; i++ {
		j.row(w, i)
	}
}

func (j *embedJob) row(w *worker, i int64) {
	id, cols := int64(j.ids[i]), j.table.w.Cols
	out := floatsOf(j.out+uintptr(4*i*cols), cols)
	for from := int64(0); from < cols; from += chunk {
		part := out[from:min(cols, from+chunk)]
		panel := panelOf(j.table.panel(w, id/lanes, from, len(part)), len(part))
		for k := range part {
			part[k] = panel[int64(k)*lanes+id%lanes]
		}
	}
}
