"""Reports over credentials: sums of any period, the Software Carbon Intensity, and the table for ESRS and the GHG Protocol."""
