// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings of objects into programs: shared, cached, and only as long as the
 * object is held.
 *
 * Pages are put in by the fault handler, which looks at the object's state
 * under its lock; vu_shm_end() sets that state, then takes away what is there.
 * So no mapping, however old, forked or moved, shows bytes after the end.
 *
 * A mapping holds on to its object and to a file of the instance's own
 * (map_file), not to the file that the program opened: so the last close() of
 * that file is the end of the instance even if mappings are left.
 */
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/module.h>

#include "compat.h"
#include "virtio_user_priv.h"

static void vu_vm_open(struct vm_area_struct *vma)
{
	struct vu_shm *shm = vma->vm_private_data;

	kref_get(&shm->ref);
}

static void vu_vm_close(struct vm_area_struct *vma)
{
	vu_shm_put(vma->vm_private_data);
}

/* Fills what the mapping has of the page table around the address. */
static vm_fault_t vu_vm_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct vu_shm *shm = vma->vm_private_data;
	unsigned long address = vmf->address & PAGE_MASK;
	unsigned long start = max(vma->vm_start, address & PMD_MASK);
	unsigned long end = min(vma->vm_end - 1, address | ~PMD_MASK);
	unsigned long first = PHYS_PFN(shm->region_base) + vma->vm_pgoff;
	vm_fault_t ret = VM_FAULT_SIGBUS;

	down_read(&shm->lock);
	if (shm->ended)
		goto unlock;
	ret = vmf_insert_pfn(vma, address,
			     first + PHYS_PFN(address - vma->vm_start));
	for (; ret == VM_FAULT_NOPAGE && start <= end; start += PAGE_SIZE) {
		if (start == address)
			continue;
		if (vmf_insert_pfn(vma, start,
				   first + PHYS_PFN(start - vma->vm_start)) !=
		    VM_FAULT_NOPAGE)
			break; /* What is missing faults when it is touched. */
	}
unlock:
	up_read(&shm->lock);
	return ret;
}

static const struct vm_operations_struct vu_vm_ops = {
	.open = vu_vm_open,
	.close = vu_vm_close,
	.fault = vu_vm_fault,
};

static const struct file_operations vu_map_fops = {
	.owner = THIS_MODULE,
};

/*
 * An empty file with an address space of its own, to find mappings by.  It gets
 * file operations that own this module, so that the module stays as long as a
 * mapping does; nobody has seen the file yet, so they may be replaced.
 */
struct file *vu_map_file_new(void)
{
	struct file *file;

	if (!try_module_get(THIS_MODULE))
		return ERR_PTR(-ENODEV);
	file = vu_shmem_file("virtio-user");
	if (IS_ERR(file))
		module_put(THIS_MODULE);
	else
		replace_fops(file, &vu_map_fops);
	return file;
}

int vu_instance_mmap(struct virtio_user_instance *inst,
		     struct vm_area_struct *vma)
{
	u64 size = vma->vm_end - vma->vm_start;
	struct vu_shm *shm;

	if (READ_ONCE(inst->vu->gone))
		return -ENODEV;
	if (!(vma->vm_flags & VM_MAYSHARE) ||
	    vma->vm_pgoff > U64_MAX >> PAGE_SHIFT)
		return -EINVAL;
	shm = vu_shm_find_range(inst, (u64)vma->vm_pgoff << PAGE_SHIFT, size);
	if (!shm)
		return -EINVAL;

	/* The reference to shm is the mapping's now. */
	vma->vm_private_data = shm;
	vma->vm_ops = &vu_vm_ops;
	vu_vm_flags_set(vma, VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	vma_set_file(vma, inst->map_file);
	return 0;
}

/* Mappings of @shm fault from now on.  The caller holds instance.shm_lock. */
void vu_shm_end(struct virtio_user_instance *inst, struct vu_shm *shm)
{
	lockdep_assert_held(&inst->shm_lock);
	down_write(&shm->lock);
	shm->ended = true;
	up_write(&shm->lock);
	if (inst->map_file)
		unmap_mapping_range(inst->map_file->f_mapping, shm->offset,
				    shm->size, 1);
}
